package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The least that a suite must have passed, so that one that is not found or not read does not pass.
const leastUpstream, leastOwn = 26, 20

// Upstream runs the driver's own cases for a provider, as its module has them, on this provider. What is adapted:
// the name of the provider, the form of its objects, and that the values come from the fake cloud.
func upstream(t *trial) (string, error) {
	tests, err := t.stageBats()
	if err != nil {
		return "", err
	}
	files, err := filepath.Glob(filepath.Join(tests, "tests/e2e_provider/*.yaml"))
	if err != nil {
		return "", err
	}
	more, err := filepath.Glob(filepath.Join(tests, "tests/e2e_provider/*/*.yaml"))
	if err != nil {
		return "", err
	}
	adapted := 0
	for _, file := range append(files, more...) {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		changed := adapt(string(text))
		if changed != string(text) {
			adapted++
		}
		if err := os.WriteFile(file, []byte(changed), 0o644); err != nil {
			return "", err
		}
	}
	if adapted < 5 {
		return "", fmt.Errorf("%d files of %s have classes; 5 and more were expected", adapted, tests)
	}
	if err := t.install(accessKeyPair, `secrets-store-csi-driver: { linux: { metricsAddr: ":8095" } }`); err != nil {
		return "", err
	}
	// What the mock provider of these cases has.
	key := "-----BEGIN PUBLIC KEY-----\nThis is mock key\n-----END PUBLIC KEY-----\n"
	if err := errors.Join(t.set("kms/foo", "secret"), t.set("kms/fookey", key), t.mockControls()); err != nil {
		return "", err
	}
	said, err := t.bats("e2e-provider.bats", leastUpstream)
	_ = t.client.CoreV1().Pods(system).Delete(background, "e2e-provider-controls", metav1.DeleteOptions{})
	return said, errors.Join(err, t.install(accessKeyPair))
}

var objects = regexp.MustCompile(`(?m)^( +)array:\n|^( +)- \|\n +objectName: (.*?) *$|^  ( +objectVersion: .*)$`)

// Adapt gives a class of the mock provider the form of this one's.
func adapt(text string) string {
	text = strings.ReplaceAll(text, "provider: e2e-provider", "provider: alibabacloud")
	return objects.ReplaceAllStringFunc(text, func(found string) string {
		parts := objects.FindStringSubmatch(found)
		switch {
		case parts[1] != "":
			return ""
		case parts[3] != "":
			return "      - objectName: " + parts[3]
		default:
			return "        " + strings.TrimSpace(parts[4])
		}
	})
}

// MockControls is the pod that those cases ask to turn the secret.
func (t *trial) mockControls() error {
	pod := newPod("e2e-provider-controls", "")
	pod.Labels = map[string]string{"app": "csi-secrets-store-e2e-provider"}
	pod.Spec.Containers[0].Image, pod.Spec.Containers[0].Command = "registry.example.com/official:v0.6.0", []string{"/node", "controls"}
	if _, err := t.client.CoreV1().Pods(system).Create(background, pod, metav1.CreateOptions{}); err != nil {
		return err
	}
	return t.rolledOut()
}

// Controls stands in for the mock provider's: /rotation?rotated=true gives the secret its other value.
func controls([]string) error {
	go onTerm(func() { os.Exit(0) })
	return http.ListenAndServe(":8080", http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if request.URL.Path != "/rotation" {
			return
		}
		value := "secret"
		if request.URL.Query().Get("rotated") == "true" {
			value = "rotated"
		}
		put, err := http.NewRequest("PUT", "http://"+metadataAddress+"/_fake/kms/foo", strings.NewReader(value))
		if err == nil {
			var response *http.Response
			if response, err = http.DefaultClient.Do(put); err == nil {
				_, _ = io.Copy(io.Discard, response.Body)
				response.Body.Close()
			}
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
		}
	}))
}

// Own runs the suite that could be offered to the driver's project: the driver by itself, the rest by the suite.
func own(t *trial) (string, error) {
	tests, err := t.stageBats()
	if err != nil {
		return "", err
	}
	if err := os.CopyFS(tests, os.DirFS(filepath.Join(t.here, "bats"))); err != nil {
		return "", err
	}
	if err := t.uninstall(); err != nil {
		return "", err
	}
	if err := t.client.CoreV1().Secrets(system).Delete(background, "alibaba-credentials", metav1.DeleteOptions{}); err != nil {
		return "", err
	}
	if err := t.client.CoreV1().ConfigMaps(system).Delete(background, "fake-cloud-ca", metav1.DeleteOptions{}); err != nil {
		return "", err
	}
	file := t.at("driver.yaml")
	if err := write(file, driverValues+"tokenRequests: [{ audience: sts.aliyuncs.com }]\n"); err != nil {
		return "", err
	}
	if err := t.helm("install", "csi", filepath.Join(t.driver, "charts", "secrets-store-csi-driver"), "--values", file, "--wait", "--timeout", "3m"); err != nil {
		return "", err
	}
	stop := make(chan struct{})
	go t.serveNames(stop)
	said, err := t.bats("alibabacloud.bats", leastOwn)
	close(stop)
	return said, errors.Join(err, t.helm("uninstall", "csi", "--wait"))
}

// StageBats copies the driver's suites to where they expect to be, with the programs that they call.
func (n *node) stageBats() (string, error) {
	tests := n.at("bats", "test", "bats")
	_ = os.RemoveAll(n.at("bats"))
	if err := os.CopyFS(tests, os.DirFS(filepath.Join(n.driver, "test", "bats"))); err != nil {
		return "", err
	}
	// The module cache is read-only.
	if _, err := run("chmod", "-R", "u+w", n.at("bats")); err != nil {
		return "", err
	}
	helm := filepath.Join(filepath.Dir(n.tools), "bin", "helm")
	for name, line := range map[string]string{
		"kubectl": fmt.Sprintf("exec %s kubectl --kubeconfig=%s \"$@\"", n.cluster(), n.at("admin.conf")),
		"helm":    fmt.Sprintf("exec %s --kubeconfig=%s \"$@\"", helm, n.at("admin.conf")),
	} {
		file := n.at("bin", name)
		if err := write(file, "#!/bin/sh\n"+line+"\n"); err != nil {
			return "", err
		}
		if err := os.Chmod(file, 0o755); err != nil {
			return "", err
		}
	}
	return tests, nil
}

var planned = regexp.MustCompile(`(?m)^1\.\.(\d+)$`)

func (n *node) bats(file string, least int) (string, error) {
	command := exec.Command("bats", "--tap", filepath.Join("test", "bats", file))
	command.Dir = n.at("bats")
	command.Env = append(os.Environ(), "PATH="+n.at("bin")+":"+os.Getenv("PATH"), "KUBECONFIG="+n.at("admin.conf"),
		"PROVIDER_CHART="+n.at("chart"), "PROVIDER_IMAGE="+providerImage, "PROVIDER_TAG=one", "FAKE_CLOUD_IMAGE="+cloudImage,
		"HELM_CACHE_HOME="+n.at("helm"), "HELM_CONFIG_HOME="+n.at("helm"), "HELM_DATA_HOME="+n.at("helm"))
	text, err := command.CombinedOutput()
	passed, skipped := 0, 0
	var failed []string
	for line := range strings.SplitSeq(string(text), "\n") {
		switch {
		case strings.HasPrefix(line, "ok ") && strings.Contains(line, "# skip"):
			skipped++
		case strings.HasPrefix(line, "ok "):
			passed++
		case strings.HasPrefix(line, "not ok "):
			failed = append(failed, line)
		}
	}
	said := fmt.Sprintf("%s: %d passed, %d failed, %d skipped", file, passed, len(failed), skipped)
	plan := planned.FindStringSubmatch(string(text))
	if err == nil && (plan == nil || plan[1] != fmt.Sprint(passed) || passed < least) {
		err = fmt.Errorf("%d cases and more were expected to pass", least)
	}
	if err != nil {
		return said, fmt.Errorf("%w\n%s", err, text)
	}
	return said, nil
}

// ServeNames gives headless Services their names, as a cluster's DNS would, until it is stopped.
func (n *node) serveNames(stop chan struct{}) {
	known := ""
	for {
		services, err := n.client.CoreV1().Services("").List(background, metav1.ListOptions{})
		lines := ""
		if err == nil {
			for _, service := range services.Items {
				if service.Spec.ClusterIP != corev1.ClusterIPNone {
					continue
				}
				selector := metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: service.Spec.Selector})
				pods, err := n.client.CoreV1().Pods(service.Namespace).List(background, metav1.ListOptions{LabelSelector: selector})
				if err != nil {
					continue
				}
				for _, pod := range pods.Items {
					if isReady(&pod) {
						lines += fmt.Sprintf("%s %s.%s.svc.cluster.local\n", pod.Status.PodIP, service.Name, service.Namespace)
					}
				}
			}
		}
		if lines != known {
			known = lines
			_ = write(n.at("names", "services"), lines)
		}
		select {
		case <-stop:
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
}
