package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// A block of a document that is a values file begins with this comment, or with one of these values.
var valuesBlock = regexp.MustCompile("(?s)```yaml\n( *(?:# values\\.yaml|envVarsFromSecret:|rrsa:|kmsCA:|linux:|provider:)\n.*?)\n *```")

// Documented renders every values file that the documentation shows, as a reader would use it.
func documented(env *environment) (string, error) {
	top := filepath.Dir(env.deploy)
	documents, err := filepath.Glob(filepath.Join(top, "docs", "*.md"))
	if err != nil {
		return "", err
	}
	documents = append(documents, filepath.Join(top, "charts", "csi-secrets-store-provider-alibabacloud", "README.md"))
	place, err := os.MkdirTemp("", "chartcheck")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(place)
	count := 0
	for _, document := range documents {
		text, err := os.ReadFile(document)
		if err != nil {
			return "", err
		}
		for _, found := range valuesBlock.FindAllStringSubmatch(string(text), -1) {
			file := filepath.Join(place, "values.yaml")
			if err := os.WriteFile(file, []byte(dedent(found[1])), 0o644); err != nil {
				return "", err
			}
			with, err := env.settingsOf(file)
			if err != nil {
				return "", err
			}
			image := "linux.image.repository=registry.example.com/csi-secrets-store-provider-alibabacloud"
			rendered, err := env.template(file, with, "--set", image)
			if err != nil {
				return "", fmt.Errorf("%s: %w\n%s", document, err, found[1])
			}
			daemonSet, err := daemonSetOf(rendered)
			if err != nil {
				return "", fmt.Errorf("%s: %w", document, err)
			}
			if err := env.starts(daemonSet, rendered); err != nil {
				return "", fmt.Errorf("%s: %w", document, err)
			}
			count++
		}
	}
	if count < 8 {
		return "", fmt.Errorf("only %d blocks are values files", count)
	}
	return fmt.Sprintf("%d blocks", count), nil
}

func dedent(block string) string {
	lines := strings.Split(block, "\n")
	indent := len(lines[0]) - len(strings.TrimLeft(lines[0], " "))
	for i, line := range lines {
		lines[i] = line[min(indent, len(line)):]
	}
	return strings.Join(lines, "\n") + "\n"
}
