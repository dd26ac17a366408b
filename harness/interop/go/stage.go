package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Where everything is, and a hand on the fake cloud.
type stage struct {
	volume string
	cloud  string
	pid    int
	second *exec.Cmd // started by a case that replaces the first
}

func newStage() (*stage, error) {
	pid, err := strconv.Atoi(os.Getenv("STAGE_PID"))
	if err != nil {
		return nil, fmt.Errorf("start this by the harness program `stage`: %w", err)
	}
	return &stage{volume: os.Getenv("STAGE_VOLUME"), cloud: os.Getenv("STAGE_CLOUD"), pid: pid}, nil
}

func (s *stage) socket() string { return filepath.Join(s.volume, "alibabacloud.sock") }

// Sets the newest version of a KMS secret.
func (s *stage) setSecret(name string, value []byte) error {
	return s.control("PUT", "kms/"+name+"?type=binary", value)
}

// Delays each read of a KMS secret of that name until the faults are cleared.
func (s *stage) hold(name string) error {
	rule, _ := json.Marshal(map[string]any{"service": "kms", "name": name, "then": "hold"})
	return s.control("POST", "faults", rule)
}

func (s *stage) clearFaults() error { return s.control("DELETE", "faults", nil) }

func (s *stage) control(method, path string, body []byte) error {
	request, err := http.NewRequest(method, s.cloud+"/_fake/"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		text, _ := io.ReadAll(response.Body)
		return fmt.Errorf("control API: %s: %s", response.Status, text)
	}
	return nil
}

// Starts another provider on the same socket directory.
func (s *stage) startProvider() (*exec.Cmd, error) {
	before, err := os.Stat(s.socket())
	if err != nil {
		before = nil
	}
	arguments := append(strings.Split(os.Getenv("STAGE_ARGUMENTS"), "\n"), "--provider-volume="+s.volume, "--healthz-port=0")
	command := exec.Command(os.Getenv("STAGE_BINARY"), arguments...)
	if err := command.Start(); err != nil {
		return nil, err
	}
	for range 1000 {
		now, err := os.Stat(s.socket())
		if err == nil && (before == nil || !os.SameFile(before, now)) {
			return command, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil, fmt.Errorf("the second provider does not listen")
}

var volumes atomic.Int64

// The attributes of a Mount of a volume never seen before, as the driver encodes them.
func attributes(parameters map[string]string) string {
	number := volumes.Add(1)
	all := map[string]string{
		"secretProviderClass":                    "interop",
		"csi.storage.k8s.io/pod.name":            fmt.Sprintf("pod-%d", number),
		"csi.storage.k8s.io/pod.namespace":       "default",
		"csi.storage.k8s.io/pod.uid":             fmt.Sprintf("uid-%d", number),
		"csi.storage.k8s.io/serviceAccount.name": "default",
		"csi.storage.k8s.io/ephemeral":           "true",
	}
	for key, value := range parameters {
		all[key] = value
	}
	text, _ := json.Marshal(all)
	return string(text)
}

func objects(yaml string) string { return attributes(map[string]string{"objects": yaml}) }
