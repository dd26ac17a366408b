package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
)

// Own is where the documents of this chart's own templates come from, as opposed to the driver's.
const own = "csi-secrets-store-provider-alibabacloud/templates/"

const kubeVersion = "1.34.0"

// Document is one rendered manifest.
type document struct {
	source string
	text   string
}

// Settings of one render: the first lines of a values file may say `# release: NAME` and `# namespace: NAME`.
type settings struct {
	release, namespace, kube string
}

func (env *environment) settingsOf(file string) (settings, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return settings{}, err
	}
	result := settings{release: "csi-secrets-store-provider-alibabacloud", namespace: "kube-system", kube: kubeVersion}
	for _, line := range strings.Split(string(text), "\n") {
		if name, found := strings.CutPrefix(line, "# release: "); found {
			result.release = name
		}
		if name, found := strings.CutPrefix(line, "# namespace: "); found {
			result.namespace = name
		}
	}
	return result, nil
}

// Template renders the chart; hooks and the driver's CRDs are part of the result.
func (env *environment) template(file string, with settings, extra ...string) ([]document, error) {
	arguments := append([]string{
		"template", with.release, env.chart, "--namespace", with.namespace, "--kube-version", with.kube,
		"--values", file, "--include-crds",
	}, extra...)
	command := exec.Command(env.helm, arguments...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return nil, errors.New(strings.TrimSpace(stderr.String()))
	}
	return split(stdout.String()), nil
}

// EachOf renders every values file of a directory beside this program, hands it over, and says how many there were.
func (env *environment) eachOf(directory string, take func(file string, with settings, documents []document) error) (int, error) {
	values, err := files(filepath.Join(env.here, directory))
	if err != nil {
		return 0, err
	}
	for _, file := range values {
		with, err := env.settingsOf(file)
		if err != nil {
			return 0, err
		}
		documents, err := env.template(file, with)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", file, err)
		}
		if err := take(file, with, documents); err != nil {
			return 0, fmt.Errorf("%s: %w", file, err)
		}
	}
	return len(values), nil
}

var (
	separator = regexp.MustCompile(`(?m)^---[ \t]*$`)
	sourceOf  = regexp.MustCompile(`(?m)^# Source: (.*)$`)
)

func split(rendered string) []document {
	var documents []document
	source := ""
	for _, text := range separator.Split(rendered, -1) {
		if found := sourceOf.FindStringSubmatch(text); found != nil {
			source = found[1]
			text = sourceOf.ReplaceAllString(text, "")
		}
		text = strings.TrimSpace(text)
		if isBlank(text) {
			continue
		}
		documents = append(documents, document{source: source, text: text + "\n"})
	}
	return documents
}

func isBlank(text string) bool {
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "#") {
			return false
		}
	}
	return true
}

func ownOf(documents []document) []document {
	var result []document
	for _, document := range documents {
		if strings.HasPrefix(document.source, own) {
			result = append(result, document)
		}
	}
	return result
}

func files(directory string) ([]string, error) {
	names, err := filepath.Glob(filepath.Join(directory, "*.yaml"))
	sort.Strings(names)
	if err == nil && len(names) == 0 {
		err = fmt.Errorf("%s holds no values files", directory)
	}
	return names, err
}

// Same compares a file with what it should hold, or writes it.
func (env *environment) same(file, wanted string) error {
	if env.update {
		return os.WriteFile(file, []byte(wanted), 0o644)
	}
	there, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("%w; `just chart-update` writes it", err)
	}
	if string(there) == wanted {
		return nil
	}
	before, after := strings.Split(string(there), "\n"), strings.Split(wanted, "\n")
	for i := range after {
		if i >= len(before) || before[i] != after[i] {
			was := "(end of file)"
			if i < len(before) {
				was = before[i]
			}
			return fmt.Errorf("%s:%d: was %q, is %q; `just chart-update` writes it anew", file, i+1, was, after[i])
		}
	}
	return fmt.Errorf("%s has more lines than are rendered; `just chart-update` writes it anew", file)
}
