package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

var chartVersion = regexp.MustCompile(`(?m)^version: .*$`)

// StandIn writes a chart that installs what the official chart 0.6.0 would, as far as official/ knows: the same
// objects under the same names, with the driver beside them. Name and values are ours, which are the official ones.
func (official facts) standIn(env *environment, directory string) error {
	driver := "secrets-store-csi-driver"
	if err := os.CopyFS(filepath.Join(directory, "charts", driver), os.DirFS(filepath.Join(env.chart, "charts", driver))); err != nil {
		return err
	}
	head, err := os.ReadFile(filepath.Join(env.chart, "Chart.yaml"))
	if err != nil {
		return err
	}
	values, err := os.ReadFile(filepath.Join(env.chart, "values.yaml"))
	if err != nil {
		return err
	}
	manifests, err := official.manifests()
	if err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(directory, "templates"), 0o755); err != nil {
		return err
	}
	for name, text := range map[string]string{
		"Chart.yaml":              chartVersion.ReplaceAllString(string(head), "version: 0.6.0"),
		"values.yaml":             string(values),
		"templates/official.yaml": manifests,
	} {
		if err := os.WriteFile(filepath.Join(directory, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (official facts) manifests() (string, error) {
	var result strings.Builder
	for _, object := range append([]string{"DaemonSet " + official.Name}, official.Objects...) {
		kind, name, _ := strings.Cut(object, " ")
		made, err := official.object(kind, metav1.ObjectMeta{Name: name, Namespace: official.Namespace})
		if err != nil {
			return "", err
		}
		text, err := yaml.Marshal(made)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&result, "---\n%s", text)
	}
	return result.String(), nil
}

func (official facts) object(kind string, meta metav1.ObjectMeta) (any, error) {
	rbac := "rbac.authorization.k8s.io"
	switch kind {
	case "DaemonSet":
		meta.Labels = official.Selector
		return appsv1.DaemonSet{
			TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: kind}, ObjectMeta: meta,
			Spec: appsv1.DaemonSetSpec{
				Selector: &metav1.LabelSelector{MatchLabels: official.Selector},
				Template: corev1.PodTemplateSpec{
					ObjectMeta: metav1.ObjectMeta{Labels: official.Selector}, Spec: official.podSpec(),
				},
			},
		}, nil
	case "ServiceAccount":
		return corev1.ServiceAccount{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: kind}, ObjectMeta: meta}, nil
	case "ClusterRole":
		meta.Namespace = ""
		return rbacv1.ClusterRole{
			TypeMeta: metav1.TypeMeta{APIVersion: rbac + "/v1", Kind: kind}, ObjectMeta: meta,
			Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"serviceaccounts"}, Verbs: []string{"get"}}},
		}, nil
	case "ClusterRoleBinding":
		meta.Namespace = ""
		return rbacv1.ClusterRoleBinding{
			TypeMeta: metav1.TypeMeta{APIVersion: rbac + "/v1", Kind: kind}, ObjectMeta: meta,
			RoleRef: rbacv1.RoleRef{APIGroup: rbac, Kind: "ClusterRole", Name: strings.TrimSuffix(meta.Name, "-binding")},
			Subjects: []rbacv1.Subject{
				{Kind: "ServiceAccount", Name: official.ServiceAccount, Namespace: official.Namespace},
			},
		}, nil
	}
	return nil, fmt.Errorf("the stand-in of the official chart makes no %s", kind)
}

func (official facts) podSpec() corev1.PodSpec {
	container := corev1.Container{
		Name: official.Container, Image: "registry.example.com/official:v0.6.0", Args: official.Args, Env: official.Env,
		Ports: []corev1.ContainerPort{{ContainerPort: 8989, HostPort: 8989}},
	}
	for name, path := range official.Mounts {
		container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{Name: name, MountPath: path})
	}
	return corev1.PodSpec{
		ServiceAccountName: official.ServiceAccount, HostNetwork: true, NodeSelector: official.NodeSelector,
		Affinity: official.Affinity, Containers: []corev1.Container{container}, Volumes: official.Volumes,
	}
}
