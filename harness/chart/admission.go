package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"
)

// Admitted sends each rendered manifest to the API server, strictly and without effect.
func admitted(env *environment, c *cluster) (string, error) {
	for _, crds := range []string{env.crds, filepath.Join(env.chart, "charts", "secrets-store-csi-driver", "crds")} {
		if _, err := c.kubectl("apply", "--server-side", "--filename", crds); err != nil {
			return "", err
		}
	}
	if _, err := c.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"); err != nil {
		return "", err
	}
	count := 0
	values, err := env.eachOf("values", func(_ string, with settings, documents []document) error {
		count += len(documents)
		if err := c.namespace(with.namespace); err != nil {
			return err
		}
		return c.admits(with.namespace, documents)
	})
	if err != nil {
		return "", err
	}
	shown, err := shownManifests(filepath.Dir(env.deploy))
	if err != nil {
		return "", err
	}
	for file, documents := range shown {
		if err := c.admits("", documents); err != nil {
			return "", fmt.Errorf("%s: %w", file, err)
		}
	}
	return fmt.Sprintf("%d manifests of %d values files, and those in %d files of deploy/, examples/ and the documentation", count, values, len(shown)), nil
}

// Admits sends manifests to the API server, strictly and without effect.
func (c *cluster) admits(namespace string, documents []document) error {
	var all strings.Builder
	for _, document := range documents {
		fmt.Fprintf(&all, "---\n%s", document.text)
		var head struct {
			Kind     string
			Metadata struct{ Namespace string }
			Spec     struct{ ServiceAccountName string }
		}
		if err := yaml.Unmarshal([]byte(document.text), &head); err != nil {
			return err
		}
		if head.Metadata.Namespace != "" {
			if err := c.namespace(head.Metadata.Namespace); err != nil {
				return err
			}
		}
		// No pod is admitted without its account, which whoever reads of it has.
		if account := head.Spec.ServiceAccountName; head.Kind == "Pod" && account != "" {
			if err := c.serviceAccount(cmp.Or(head.Metadata.Namespace, namespace, "default"), account); err != nil {
				return err
			}
		}
	}
	manifests := filepath.Join(c.place, "manifests.yaml")
	if err := os.WriteFile(manifests, []byte(all.String()), 0o644); err != nil {
		return err
	}
	dryRun := []string{"apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "--filename", manifests}
	if namespace != "" {
		dryRun = append(dryRun, "--namespace", namespace) // As helm would: a manifest with another one is refused.
	}
	said, err := c.kubectl(dryRun...)
	if err != nil {
		return err
	}
	if got := strings.Count(said, "serverside-applied (server dry run)"); got != len(documents) {
		return fmt.Errorf("%d of %d manifests were admitted: %s", got, len(documents), said)
	}
	return nil
}

var manifestBlock = regexp.MustCompile("(?s)```yaml\n( *apiVersion: .*?)\n *```")

// ShownManifests are those that people are shown: the static ones, the examples, and the documentation's blocks.
func shownManifests(top string) (map[string][]document, error) {
	result := map[string][]document{}
	for _, pattern := range []string{"deploy/*.yaml", "examples/*/*.yaml", "README*.md", "docs/*.md"} {
		names, err := filepath.Glob(filepath.Join(top, pattern))
		if err != nil || len(names) == 0 {
			return nil, fmt.Errorf("%s: nothing there: %w", pattern, err)
		}
		for _, name := range names {
			content, err := os.ReadFile(name)
			if err != nil {
				return nil, err
			}
			text := string(content)
			if strings.HasSuffix(name, ".md") {
				text = ""
				for _, found := range manifestBlock.FindAllStringSubmatch(string(content), -1) {
					text += "---\n" + dedent(found[1])
				}
			}
			if documents := split(text); len(documents) > 0 {
				result[name] = documents
			}
		}
	}
	return result, nil
}

func (c *cluster) namespace(name string) error {
	if _, err := c.kubectl("get", "namespace", name); err == nil {
		return nil
	}
	_, err := c.kubectl("create", "namespace", name)
	return err
}

func (c *cluster) serviceAccount(namespace, name string) error {
	if _, err := c.kubectl("get", "serviceaccount", name, "--namespace", namespace); err == nil {
		return nil
	}
	_, err := c.kubectl("create", "serviceaccount", name, "--namespace", namespace)
	return err
}
