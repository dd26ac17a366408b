package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"

	"sigs.k8s.io/yaml"
)

// Dependency has helm fetch the driver's chart, as a person or a pipeline would, from a server that stands in for its
// repository under the repository's own name: Chart.lock must be in step with Chart.yaml, and stay as it is.
func dependency(env *environment) (string, error) {
	committed := filepath.Join(filepath.Dir(env.deploy), "charts", "csi-secrets-store-provider-alibabacloud")
	place, err := os.MkdirTemp("", "chartcheck")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(place)
	chart, served := filepath.Join(place, "chart"), filepath.Join(place, "served")
	if err := os.CopyFS(chart, os.DirFS(committed)); err != nil {
		return "", err
	}
	wanted, err := dependencyOf(chart)
	if err != nil {
		return "", err
	}
	repository, err := url.Parse(wanted.Repository)
	if err != nil {
		return "", err
	}
	at := filepath.Join(served, repository.Path)
	environ := append(os.Environ(), "HELM_CONFIG_HOME="+place, "HELM_CACHE_HOME="+place, "HELM_DATA_HOME="+place)
	helm := func(arguments ...string) error {
		command := exec.Command(env.helm, arguments...)
		command.Env = environ
		if out, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("helm %v: %w: %s", arguments, err, out)
		}
		return nil
	}
	if err := helm("package", filepath.Join(env.chart, "charts", wanted.Name), "--destination", at); err != nil {
		return "", err
	}
	if err := helm("repo", "index", at, "--url", wanted.Repository); err != nil {
		return "", err
	}
	proxy, authority, stop := standIn(repository.Hostname(), served)
	defer stop()
	roots := filepath.Join(place, "roots.pem")
	if err := os.WriteFile(roots, []byte(authority), 0o644); err != nil {
		return "", err
	}
	environ = append(environ, "HTTPS_PROXY="+proxy, "NO_PROXY=", "SSL_CERT_FILE="+roots)

	// As the documentation says; it needs no lock, and writes one that differs.
	if err := helm("dependency", "update", chart); err != nil {
		return "", err
	}
	lock, err := os.ReadFile(filepath.Join(chart, "Chart.lock"))
	if err != nil {
		return "", err
	}
	if err := env.same(filepath.Join(committed, "Chart.lock"), string(lock)); err != nil {
		return "", err
	}
	// As pipelines do; it needs the lock, and refuses one that is out of step.
	if err := os.RemoveAll(filepath.Join(chart, "charts")); err != nil {
		return "", err
	}
	if err := helm("repo", "add", "driver", wanted.Repository); err != nil {
		return "", err
	}
	if err := helm("dependency", "build", chart); err != nil {
		return "", err
	}
	file := fmt.Sprintf("%s-%s.tgz", wanted.Name, wanted.Version)
	_, err = os.Stat(filepath.Join(chart, "charts", file))
	return file, err
}

type dependencyEntry struct {
	Name, Version, Repository string
}

func dependencyOf(chart string) (dependencyEntry, error) {
	text, err := os.ReadFile(filepath.Join(chart, "Chart.yaml"))
	if err != nil {
		return dependencyEntry{}, err
	}
	var head struct{ Dependencies []dependencyEntry }
	if err := yaml.Unmarshal(text, &head); err != nil {
		return dependencyEntry{}, err
	}
	if len(head.Dependencies) != 1 {
		return dependencyEntry{}, fmt.Errorf("%d dependencies; this check knows of one", len(head.Dependencies))
	}
	return head.Dependencies[0], nil
}

// StandIn serves a directory as the host over HTTPS, to clients that come through the proxy and trust the authority.
func standIn(host, directory string) (proxy, authorityText string, stop func()) {
	pair, text := authority(host)
	server := httptest.NewUnstartedServer(http.FileServer(http.Dir(directory)))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.StartTLS()
	through := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		if request.Method != http.MethodConnect || request.URL.Hostname() != host {
			http.Error(answer, "nothing but "+host+" is here", http.StatusForbidden)
			return
		}
		upstream, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			http.Error(answer, err.Error(), http.StatusBadGateway)
			return
		}
		answer.WriteHeader(http.StatusOK)
		client, buffered, err := answer.(http.Hijacker).Hijack()
		if err != nil {
			upstream.Close()
			return
		}
		go func() { io.Copy(upstream, buffered); upstream.Close() }()
		go func() { io.Copy(client, upstream); client.Close() }()
	}))
	return through.URL, text, func() { through.Close(); server.Close() }
}
