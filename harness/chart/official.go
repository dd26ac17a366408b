package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// Facts are what the official chart 0.6.0 makes of a values file, as far as an upgrade in place depends on it. They
// stand in official/ under the name of the values file in values/.
type facts struct {
	Name           string            `json:"name"`
	Namespace      string            `json:"namespace"`
	Selector       map[string]string `json:"selector"`
	ServiceAccount string            `json:"serviceAccount"`
	Container      string            `json:"container"`
	Args           []string          `json:"args"`
	Env            []corev1.EnvVar   `json:"env"`
	Volumes        []corev1.Volume   `json:"volumes"`
	Mounts         map[string]string `json:"mounts"`
	NodeSelector   map[string]string `json:"nodeSelector"`
	Affinity       *corev1.Affinity  `json:"affinity"`
	// HostNetwork is what this chart does; the official one always has the node's network.
	HostNetwork bool `json:"hostNetwork"`
	// Objects are the kinds and names that there are beside the DaemonSet.
	Objects []string `json:"objects"`
}

// Equivalent compares: everything that the official DaemonSet has must be there. What may differ is named here.
func equivalent(env *environment) (string, error) {
	expected, err := files(filepath.Join(env.here, "official"))
	if err != nil {
		return "", err
	}
	for _, file := range expected {
		official, err := factsOf(file)
		if err != nil {
			return "", err
		}
		values := filepath.Join(env.here, "values", filepath.Base(file))
		with, err := env.settingsOf(values)
		if err != nil {
			return "", err
		}
		documents, err := env.template(values, with)
		if err != nil {
			return "", err
		}
		daemonSet, err := daemonSetOf(documents)
		if err != nil || daemonSet == nil {
			return "", fmt.Errorf("%s: no DaemonSet: %w", file, err)
		}
		if err := official.holdFor(daemonSet, documents); err != nil {
			return "", fmt.Errorf("%s:\n%w", file, err)
		}
	}
	return fmt.Sprintf("%d official values files", len(expected)), nil
}

func factsOf(file string) (facts, error) {
	var official facts
	content, err := os.ReadFile(file)
	if err != nil {
		return official, err
	}
	if err := yaml.UnmarshalStrict(content, &official); err != nil {
		return official, fmt.Errorf("%s: %w", file, err)
	}
	return official, nil
}

func (official facts) holdFor(daemonSet *appsv1.DaemonSet, documents []document) error {
	spec := daemonSet.Spec.Template.Spec
	container := spec.Containers[0]
	var problems []error
	equal := func(what string, wanted, got any) {
		if !reflect.DeepEqual(wanted, got) {
			problems = append(problems, fmt.Errorf("%s: the official chart has %v, this one %v", what, wanted, got))
		}
	}
	equal("name", official.Name, daemonSet.Name)
	equal("namespace", official.Namespace, daemonSet.Namespace)
	equal("selector", official.Selector, daemonSet.Spec.Selector.MatchLabels)
	equal("ServiceAccount", official.ServiceAccount, spec.ServiceAccountName)
	equal("container", official.Container, container.Name)
	equal("environment", official.Env, container.Env)
	equal("node selector", official.NodeSelector, spec.NodeSelector)
	equal("affinity", official.Affinity, spec.Affinity)
	equal("hostNetwork", official.HostNetwork, spec.HostNetwork)
	for _, argument := range official.Args {
		if !contains(container.Args, argument) {
			problems = append(problems, fmt.Errorf("argument %s is missing from %v", argument, container.Args))
		}
	}
	mounts := map[string]string{}
	for _, mount := range container.VolumeMounts {
		mounts[mount.Name] = mount.MountPath
	}
	equal("mounts", official.Mounts, mounts)
	for _, wanted := range official.Volumes {
		got := volumeOf(spec.Volumes, wanted.Name)
		// kubelet makes the directory if the node has just started; the official chart has the driver do that.
		if got.HostPath != nil && wanted.HostPath != nil {
			got.HostPath.Type = nil
		}
		equal("volume "+wanted.Name, wanted, got)
	}
	there := map[string]bool{}
	for _, document := range ownOf(documents) {
		var head struct {
			Kind     string `json:"kind"`
			Metadata struct {
				Name string `json:"name"`
			} `json:"metadata"`
		}
		if err := yaml.Unmarshal([]byte(document.text), &head); err != nil {
			return err
		}
		there[head.Kind+" "+head.Metadata.Name] = true
	}
	for _, object := range official.Objects {
		if !there[object] {
			problems = append(problems, fmt.Errorf("%s is missing", object))
		}
	}
	return errors.Join(problems...)
}

func contains(list []string, wanted string) bool {
	return strings.Contains("\n"+strings.Join(list, "\n")+"\n", "\n"+wanted+"\n")
}

func volumeOf(volumes []corev1.Volume, name string) corev1.Volume {
	for _, volume := range volumes {
		if volume.Name == name {
			return *volume.DeepCopy()
		}
	}
	return corev1.Volume{}
}
