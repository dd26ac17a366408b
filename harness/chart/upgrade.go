package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"

	"sigs.k8s.io/yaml"
)

var nodeNames = []string{"n1", "n2", "n3"}

// OnCluster runs what needs an API server.
func onCluster(env *environment) error {
	place, err := os.MkdirTemp("", "chartcheck")
	if err != nil {
		return err
	}
	defer os.RemoveAll(place)
	c, err := startCluster(env.cluster, place, nodeNames...)
	defer c.stop()
	if err != nil {
		return err
	}
	version, err := c.kubectl("version")
	if err != nil {
		return err
	}
	fmt.Print(version)
	if env.released != "" {
		return run(env, []check{{"the released chart is installed from its registry", func(env *environment) (string, error) { return installed(env, c) }}})
	}
	return run(env, []check{
		{"the API server admits every manifest", func(env *environment) (string, error) { return admitted(env, c) }},
		{"an official release is upgraded in place", func(env *environment) (string, error) { return upgraded(env, c) }},
		{"the official static manifests give way", func(env *environment) (string, error) { return tookOver(env, c) }},
		{"a node's only provider is replaced by surge", func(env *environment) (string, error) { return surged(env, c) }},
	})
}

// Upgraded installs a stand-in of the official chart for each of official/, upgrades it with the same values, goes back,
// forward again, and uninstalls.
func upgraded(env *environment, c *cluster) (string, error) {
	expected, err := files(filepath.Join(env.here, "official"))
	if err != nil {
		return "", err
	}
	for _, file := range expected {
		if err := upgradedOne(env, c, file); err != nil {
			return "", fmt.Errorf("%s: %w", file, err)
		}
	}
	return fmt.Sprintf("%d values files: DaemonSet and ServiceAccount stay themselves, nothing is left over, rollback and uninstall work", len(expected)), nil
}

func upgradedOne(env *environment, c *cluster, file string) error {
	official, err := factsOf(file)
	if err != nil {
		return err
	}
	standIn := filepath.Join(c.place, "official", filepath.Base(file))
	if err := official.standIn(env, standIn); err != nil {
		return err
	}
	values := filepath.Join(env.here, "values", filepath.Base(file))
	release, err := newRelease(env, c, values)
	if err != nil {
		return err
	}
	if err := c.namespace(release.namespace); err != nil {
		return err
	}
	if err := release.helm("install", standIn, "--values", values); err != nil {
		return err
	}
	before, err := release.objects()
	if err != nil {
		return err
	}
	daemonSet := "DaemonSet " + official.Name
	for _, object := range append([]string{daemonSet}, official.Objects...) {
		if before[object] == "" {
			return fmt.Errorf("the stand-in installed no %s", object)
		}
	}
	// What must not be possible, or this check would not notice a changed selector.
	if err := release.helm("upgrade", env.chart, "--values", values, "--set", "nameOverride=another", "--set", "fullnameOverride="+official.Name); err == nil || !strings.Contains(err.Error(), "field is immutable") {
		return fmt.Errorf("a changed selector was not refused: %w", err)
	}
	if err := release.helm("upgrade", env.chart, "--values", values); err != nil {
		return err
	}
	after, err := release.objects()
	if err != nil {
		return err
	}
	for object, uid := range before {
		if after[object] != uid {
			return fmt.Errorf("%s was %s and is %q: it was not kept", object, uid, after[object])
		}
	}
	if err := release.runs(official.Name, "/csi-secrets-store-provider-alibabacloud:"); err != nil {
		return err
	}
	if err := release.helm("rollback", "1"); err != nil {
		return err
	}
	back, err := release.objects()
	if err != nil {
		return err
	}
	if err := same(before, back); err != nil {
		return fmt.Errorf("after the rollback: %w", err)
	}
	if err := release.runs(official.Name, "/official:v0.6.0"); err != nil {
		return err
	}
	if err := release.helm("upgrade", env.chart, "--values", values); err != nil {
		return err
	}
	if err := release.helm("uninstall"); err != nil {
		return err
	}
	left, err := release.inCluster()
	if err != nil {
		return err
	}
	return same(map[string]string{}, left)
}

// TookOver goes the documented way from static manifests: delete the DaemonSet, and have helm take over the rest.
func tookOver(env *environment, c *cluster) (string, error) {
	official, err := factsOf(filepath.Join(env.here, "official", "official-access-key.yaml"))
	if err != nil {
		return "", err
	}
	manifests, err := official.manifests()
	if err != nil {
		return "", err
	}
	file := filepath.Join(c.place, "static.yaml")
	if err := os.WriteFile(file, []byte(manifests), 0o644); err != nil {
		return "", err
	}
	if _, err := c.kubectl("apply", "--filename", file); err != nil {
		return "", err
	}
	if _, err := c.kubectl("delete", "daemonset", official.Name, "--namespace", official.Namespace); err != nil {
		return "", err
	}
	values := filepath.Join(env.here, "values", "official-access-key.yaml")
	release, err := newRelease(env, c, values)
	if err != nil {
		return "", err
	}
	if err := release.helm("install", env.chart, "--values", values); err == nil || !strings.Contains(err.Error(), "cannot be imported") {
		return "", fmt.Errorf("helm was expected to refuse what is not its own: %w", err)
	}
	if err := release.helm("install", env.chart, "--values", values, "--take-ownership"); err != nil {
		return "", err
	}
	if _, err := release.objects(); err != nil {
		return "", err
	}
	if err := release.runs(official.Name, "/csi-secrets-store-provider-alibabacloud:"); err != nil {
		return "", err
	}
	return "helm takes over ServiceAccount and rights", release.helm("uninstall")
}

// Surged upgrades this chart's own release to another image: with the pods' network, no node is ever without a
// provider; with the node's, one node at a time is.
func surged(env *environment, c *cluster) (string, error) {
	said := ""
	for _, values := range []string{"pod-network.yaml", "node-network.yaml"} {
		values = filepath.Join(env.here, "values", values)
		release, err := newRelease(env, c, values)
		if err != nil {
			return "", err
		}
		if err := release.helm("install", env.chart, "--values", values); err != nil {
			return "", err
		}
		_, since, err := c.readyPods(0)
		if err != nil {
			return "", err
		}
		if err := release.helm("upgrade", env.chart, "--reset-then-reuse-values", "--set", "linux.image.tag=v0.1.1"); err != nil {
			return "", err
		}
		if err := release.runs(release.name, ":v0.1.1"); err != nil {
			return "", err
		}
		lines, _, err := c.readyPods(since)
		if err != nil {
			return "", err
		}
		least := len(nodeNames)
		for _, line := range lines {
			least = min(least, strings.Count(line, "/csi-secrets-store-provider-alibabacloud="))
		}
		wanted := len(nodeNames)
		if strings.HasSuffix(values, "node-network.yaml") {
			wanted--
		}
		if least != wanted {
			return "", fmt.Errorf("%s: at the least %d of %d nodes had a ready provider:\n%s", values, least, len(nodeNames), strings.Join(lines, "\n"))
		}
		said += fmt.Sprintf("%s: never fewer than %d of %d nodes have one; ", filepath.Base(values), least, len(nodeNames))
		if err := release.helm("uninstall"); err != nil {
			return "", err
		}
	}
	return strings.TrimSuffix(said, "; "), nil
}

// Installed installs a released chart from its registry with no value set, as a user would, and uninstalls it.
func installed(env *environment, c *cluster) (string, error) {
	at := strings.LastIndex(env.released, ":")
	release := &release{env, c, "csi-secrets-store-provider-alibabacloud", "kube-system"}
	if err := release.helm("install", env.released[:at], "--version", env.released[at+1:], "--plain-http"); err != nil {
		return "", err
	}
	if err := release.runs(release.name, "/csi-secrets-store-provider-alibabacloud@sha256:"); err != nil {
		return "", err
	}
	return fmt.Sprintf("a pod with the image by digest on each of %d nodes", len(nodeNames)), release.helm("uninstall")
}

// Release is one of helm's.
type release struct {
	env             *environment
	c               *cluster
	name, namespace string
}

func newRelease(env *environment, c *cluster, values string) (*release, error) {
	with, err := env.settingsOf(values)
	return &release{env, c, with.release, with.namespace}, err
}

func (r *release) helm(verb string, arguments ...string) error {
	all := append([]string{verb, r.name}, arguments...)
	all = append(all, "--namespace", r.namespace, "--kubeconfig", r.c.kubeconfig, "--wait", "--timeout", "2m")
	_, err := output(exec.Command(r.env.helm, all...))
	return err
}

// Objects are what the release says it has: each must be in the cluster, with its uid, and nothing else of the release.
func (r *release) objects() (map[string]string, error) {
	manifest, err := output(exec.Command(r.env.helm, "get", "manifest", r.name, "--namespace", r.namespace, "--kubeconfig", r.c.kubeconfig))
	if err != nil {
		return nil, err
	}
	named := map[string]string{}
	for _, document := range split(manifest) {
		var head struct {
			Kind     string
			Metadata struct{ Name string }
		}
		if err := yaml.Unmarshal([]byte(document.text), &head); err != nil {
			return nil, err
		}
		named[head.Kind+" "+head.Metadata.Name] = ""
	}
	there, err := r.inCluster()
	if err != nil {
		return nil, err
	}
	for object := range named {
		named[object] = there[object]
		if named[object] == "" {
			return nil, fmt.Errorf("%s is not in the cluster", object)
		}
	}
	return there, same(named, there)
}

// InCluster are the objects that helm has marked as the release's, with their uids.
func (r *release) inCluster() (map[string]string, error) {
	kinds := "daemonsets,serviceaccounts,clusterroles,clusterrolebindings,configmaps,services,networkpolicies,csidrivers," +
		"secrets,podmonitors,servicemonitors,prometheusrules,roles,rolebindings,deployments"
	text, err := r.c.kubectl("get", kinds, "--all-namespaces", "--output=json")
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []struct {
			Kind     string
			Metadata struct {
				Name, Uid   string
				Annotations map[string]string
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, err
	}
	result := map[string]string{}
	for _, item := range list.Items {
		if item.Metadata.Annotations["meta.helm.sh/release-name"] == r.name {
			result[item.Kind+" "+item.Metadata.Name] = item.Metadata.Uid
		}
	}
	return result, nil
}

// Runs waits for the rollout's end: then each node has one pod of the DaemonSet, with that image.
func (r *release) runs(daemonSet, image string) error {
	if _, err := r.c.kubectl("rollout", "status", "daemonset/"+daemonSet, "--namespace", r.namespace, "--timeout=60s"); err != nil {
		return err
	}
	said, err := r.c.kubectl("get", "pods", "--namespace", r.namespace, "--selector", "app=csi-secrets-store-provider-alibabacloud",
		`--output=jsonpath={range .items[*]}{.spec.nodeName} {.spec.containers[0].image} {.metadata.deletionTimestamp}{"\n"}{end}`)
	if err != nil {
		return err
	}
	var lines []string
	for _, line := range strings.Split(said, "\n") {
		if words := strings.Fields(line); len(words) == 2 { // A third one says when it was deleted.
			lines = append(lines, line)
		}
	}
	sort.Strings(lines)
	for i, line := range lines {
		if len(lines) != len(nodeNames) || !strings.HasPrefix(line, nodeNames[i]+" ") || !strings.Contains(line, image) {
			return fmt.Errorf("one pod with image %s for each node was expected, and there are:\n%s", image, said)
		}
	}
	return nil
}

// Same compares two sets of objects with their uids.
func same(wanted, got map[string]string) error {
	var problems []error
	for object, uid := range wanted {
		if got[object] != uid {
			problems = append(problems, fmt.Errorf("%s should be %q and is %q", object, uid, got[object]))
		}
	}
	for object := range got {
		if _, is := wanted[object]; !is {
			problems = append(problems, fmt.Errorf("%s is left over", object))
		}
	}
	return errors.Join(problems...)
}
