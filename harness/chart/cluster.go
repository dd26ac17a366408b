package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Cluster is a control plane of harness/cluster on the loopback interface, with nodes that are played.
type cluster struct {
	binary, place, kubeconfig string
	running                   []*exec.Cmd
}

const kubeconfigFile = `apiVersion: v1
kind: Config
clusters: [{ name: c, cluster: { server: "https://127.0.0.1:%d", certificate-authority: %s } }]
users: [{ name: u, user: { token: of-this-check } }]
contexts: [{ name: x, context: { cluster: c, user: u } }]
current-context: x
`

// StartCluster waits until the API server is ready. Whoever calls it calls stop, whatever comes of it.
func startCluster(binary, place string, nodes ...string) (*cluster, error) {
	c := &cluster{binary: binary, place: place, kubeconfig: filepath.Join(place, "kubeconfig")}
	ports := [3]int{}
	for i := range ports {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return c, err
		}
		defer listener.Close()
		ports[i] = listener.Addr().(*net.TCPAddr).Port
		listener.Close()
	}
	client, peer := fmt.Sprintf("http://127.0.0.1:%d", ports[0]), fmt.Sprintf("http://127.0.0.1:%d", ports[1])
	certificates := filepath.Join(place, "certificates")
	key, err := signingKey()
	if err != nil {
		return c, err
	}
	for name, text := range map[string]string{
		"signing.pem": key,
		"tokens.csv":  "of-this-check,admin,admin,system:masters\n",
		"kubeconfig":  fmt.Sprintf(kubeconfigFile, ports[2], filepath.Join(certificates, "apiserver.crt")),
	} {
		if err := os.WriteFile(filepath.Join(place, name), []byte(text), 0o600); err != nil {
			return c, err
		}
	}
	at := func(name string) string { return filepath.Join(place, name) }
	for _, arguments := range [][]string{
		{"etcd", "--data-dir=" + at("etcd"), "--log-level=error", "--unsafe-no-fsync",
			"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
			"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=default=" + peer},
		{"kube-apiserver", "--etcd-servers=" + client, "--bind-address=127.0.0.1", "--external-hostname=127.0.0.1", fmt.Sprintf("--secure-port=%d", ports[2]),
			"--cert-dir=" + certificates, "--token-auth-file=" + at("tokens.csv"), "--authorization-mode=RBAC",
			"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=" + at("signing.pem"),
			"--service-account-signing-key-file=" + at("signing.pem"), "--service-cluster-ip-range=10.0.0.0/24",
			"--endpoint-reconciler-type=none", "--allow-privileged=true"},
	} {
		if err := c.start(arguments...); err != nil {
			return c, err
		}
	}
	if err := c.until(2*time.Minute, "get", "--raw", "/readyz"); err != nil {
		return c, err
	}
	for _, arguments := range [][]string{
		{"kube-controller-manager", "--kubeconfig=" + c.kubeconfig, "--leader-elect=false", "--secure-port=0",
			"--controllers=daemonset-controller,job-controller,garbage-collector-controller,namespace-controller,serviceaccount-controller"},
		{"kube-scheduler", "--kubeconfig=" + c.kubeconfig, "--leader-elect=false", "--secure-port=0"},
		append([]string{"nodes", "--kubeconfig=" + c.kubeconfig}, nodes...),
	} {
		if err := c.start(arguments...); err != nil {
			return c, err
		}
	}
	return c, nil
}

// Start starts a part; what it says goes into a file of its name.
func (c *cluster) start(arguments ...string) error {
	log, err := os.Create(filepath.Join(c.place, arguments[0]+".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	command := exec.Command(c.binary, arguments...)
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		return err
	}
	c.running = append(c.running, command)
	return nil
}

func (c *cluster) stop() {
	for i := len(c.running) - 1; i >= 0; i-- {
		_ = c.running[i].Process.Kill()
		_ = c.running[i].Wait()
	}
}

// Kubectl runs a command to its end.
func (c *cluster) kubectl(arguments ...string) (string, error) {
	return output(exec.Command(c.binary, append([]string{"kubectl", "--kubeconfig=" + c.kubeconfig}, arguments...)...))
}

// Until runs a command of kubectl until it succeeds.
func (c *cluster) until(most time.Duration, arguments ...string) error {
	end := time.Now().Add(most)
	for {
		_, err := c.kubectl(arguments...)
		if err == nil {
			return nil
		}
		if time.Now().After(end) {
			log, _ := os.ReadFile(filepath.Join(c.place, "kube-apiserver.log"))
			return fmt.Errorf("%w\n%s", err, log[max(0, len(log)-2000):])
		}
		time.Sleep(time.Second)
	}
}

// ReadyPods is what the nodes said since a place in their log, a line whenever the ready pods changed; and the place now.
func (c *cluster) readyPods(since int) ([]string, int, error) {
	log, err := os.ReadFile(filepath.Join(c.place, "nodes.log"))
	if err != nil || len(log) < since {
		return nil, 0, fmt.Errorf("the nodes' log: %w", err)
	}
	return strings.Split(strings.TrimSpace(string(log[since:])), "\n"), len(log), nil
}

func output(command *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return "", errors.New(strings.Join(command.Args[1:], " ") + ": " + err.Error() + ": " + strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

func signingKey() (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalECPrivateKey(key)
	return string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})), err
}
