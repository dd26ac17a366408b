package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// Trial is one case on the node, with a namespace of its own.
type trial struct {
	*node
	namespace string
}

var background = context.Background()

const (
	releaseName = "csi-secrets-store-provider-alibabacloud"
	system      = "kube-system"
)

// A pod that has not started by then is lost.
const lost = 4 * time.Minute

func (n *node) newNamespace(name string) (*trial, error) {
	_, err := n.client.CoreV1().Namespaces().Create(background, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return nil, err
	}
	// Pods are refused until their ServiceAccount is there.
	return &trial{n, name}, until(time.Minute, func() error {
		_, err := n.client.CoreV1().ServiceAccounts(name).Get(background, "default", metav1.GetOptions{})
		return err
	})
}

// End deletes the case's namespace, and waits until kubelet has done so too.
func (t *trial) end() error {
	if err := t.client.CoreV1().Namespaces().Delete(background, t.namespace, metav1.DeleteOptions{}); err != nil {
		return err
	}
	return until(2*time.Minute, func() error {
		_, err := t.client.CoreV1().Namespaces().Get(background, t.namespace, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(fmt.Errorf("namespace %s does not end", t.namespace), err)
	})
}

// Empty deletes the case's pods, and waits until kubelet has unmounted their volumes: the driver may go after that.
func (t *trial) empty() error {
	if err := t.client.CoreV1().Pods(t.namespace).DeleteCollection(background, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		return err
	}
	return until(2*time.Minute, func() error {
		pods, err := t.client.CoreV1().Pods(t.namespace).List(background, metav1.ListOptions{})
		if err == nil && len(pods.Items) > 0 {
			err = fmt.Errorf("pod %s does not end", pods.Items[0].Name)
		}
		return err
	})
}

var classes = schema.GroupVersionResource{Group: "secrets-store.csi.x-k8s.io", Version: "v1", Resource: "secretproviderclasses"}

// Class makes a SecretProviderClass; more are keys of its spec, and of its parameters below "parameters".
func (t *trial) class(name, objects string, more map[string]any) error {
	parameters := map[string]any{"objects": objects}
	spec := map[string]any{"provider": "alibabacloud", "parameters": parameters}
	for key, value := range more {
		if inner, is := value.(map[string]any); is && key == "parameters" {
			for key, value := range inner {
				parameters[key] = value
			}
			continue
		}
		spec[key] = value
	}
	_, err := t.dynamic.Resource(classes).Namespace(t.namespace).Create(background, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass",
		"metadata": map[string]any{"name": name}, "spec": spec,
	}}, metav1.CreateOptions{})
	return err
}

// NewPod sleeps, with the volume of a class at /secrets.
func newPod(name, class string) *corev1.Pod {
	// Without grace a pod would leave the API before kubelet has unmounted its volumes.
	grace, readOnly := int64(1), true
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: &grace,
			Containers: []corev1.Container{{
				Name: "main", Image: "localhost/busybox:1", Command: []string{"/bin/sleep", "100000"},
				VolumeMounts: []corev1.VolumeMount{{Name: "secrets", MountPath: "/secrets", ReadOnly: true}},
			}},
			Volumes: []corev1.Volume{{Name: "secrets", VolumeSource: corev1.VolumeSource{CSI: &corev1.CSIVolumeSource{
				Driver: "secrets-store.csi.k8s.io", ReadOnly: &readOnly, VolumeAttributes: map[string]string{"secretProviderClass": class},
			}}}},
		},
	}
	if class == "" {
		pod.Spec.Volumes, pod.Spec.Containers[0].VolumeMounts = nil, nil
	}
	return pod
}

func (t *trial) create(pod *corev1.Pod) error {
	_, err := t.client.CoreV1().Pods(t.namespace).Create(background, pod, metav1.CreateOptions{})
	return err
}

// Running waits until every pod of the namespace runs.
func (t *trial) running() error {
	return until(lost, func() error {
		pods, err := t.client.CoreV1().Pods(t.namespace).List(background, metav1.ListOptions{})
		if err != nil {
			return err
		}
		var waiting []string
		for _, pod := range pods.Items {
			if pod.DeletionTimestamp == nil && !isReady(&pod) {
				said := ""
				if messages := t.watched.messages(t.namespace, pod.Name); len(messages) > 0 {
					said = ": " + messages[len(messages)-1].Message
				}
				waiting = append(waiting, pod.Name+said)
			}
		}
		if len(waiting) > 0 {
			return fmt.Errorf("%d of %d pods do not run; %s", len(waiting), len(pods.Items), waiting[0])
		}
		return nil
	})
}

// Started makes one pod and waits for it.
func (t *trial) started(name, class string, change ...func(*corev1.Pod)) error {
	pod := newPod(name, class)
	for _, one := range change {
		one(pod)
	}
	if err := t.create(pod); err != nil {
		return err
	}
	return t.running()
}

// While makes a pod at each interval for as long as something goes on, and for a while after; all must run.
func (t *trial) while(class string, every time.Duration, act func() error) error {
	ended := make(chan error, 1)
	go func() { ended <- act() }()
	var acted error
	after := time.Time{}
	for i := 0; after.IsZero() || time.Since(after) < 5*time.Second; i++ {
		// On a busy machine pods pile up; the provider's next pod needs a place, too.
		if t.alive() < mostAlive {
			if err := t.create(newPod(fmt.Sprintf("p%d", i), class)); err != nil {
				return err
			}
		}
		select {
		case acted = <-ended:
			after = time.Now()
		case <-time.After(every):
		}
		// Those that ran make room: a node has 110.
		if i%10 == 9 {
			if err := t.sweep(); err != nil {
				return err
			}
		}
	}
	return errors.Join(acted, t.running())
}

// A node has room for 110 pods, and kubelet takes its time to take one away.
const mostAlive = 40

func (t *trial) alive() int {
	count := 0
	for _, one := range t.watched.in(t.namespace) {
		if one.deleted.IsZero() {
			count++
		}
	}
	return count
}

// Sweep deletes pods that have run.
func (t *trial) sweep() error {
	for _, one := range t.watched.in(t.namespace) {
		if !one.ran.IsZero() && one.deleted.IsZero() && one.pod.DeletionTimestamp == nil && time.Since(one.ran) > 3*time.Second {
			err := t.client.CoreV1().Pods(t.namespace).Delete(background, one.pod.Name, metav1.DeleteOptions{})
			if err != nil && !apierrors.IsNotFound(err) {
				return err
			}
		}
	}
	return nil
}

// Shell runs a command in a pod.
func (t *trial) shell(pod, command string) (string, error) {
	return t.kubectl("exec", "--namespace", t.namespace, pod, "--", "/bin/sh", "-c", command)
}

// Says compares what a command in a pod says.
func (t *trial) says(pod, command, expected string) error {
	got, err := t.shell(pod, command)
	if err != nil {
		return err
	}
	if strings.TrimSpace(got) != strings.TrimSpace(expected) {
		return fmt.Errorf("%s: %s: expected %q, found %q", pod, command, expected, got)
	}
	return nil
}

// Event waits for a warning about a pod that holds every part.
func (t *trial) event(pod string, parts ...string) error {
	return until(2*time.Minute, func() error {
		messages := t.watched.messages(t.namespace, pod)
		for _, event := range messages {
			all := true
			for _, part := range parts {
				all = all && strings.Contains(event.Message, part)
			}
			if all {
				return nil
			}
		}
		if len(messages) == 0 {
			return fmt.Errorf("pod %s: no warning", pod)
		}
		return fmt.Errorf("pod %s: no event with %q; the last: %s", pod, parts, messages[len(messages)-1].Message)
	})
}

// Release.

// Values are of this chart, below those that every installation here has.
type values map[string]any

func (n *node) helm(arguments ...string) error {
	arguments = append(arguments, "--kubeconfig", n.at("admin.conf"), "--namespace", system)
	command := exec.Command(filepath.Join(filepath.Dir(n.tools), "bin", "helm"), arguments...)
	command.Env = append(os.Environ(), "HELM_CACHE_HOME="+n.at("helm"), "HELM_CONFIG_HOME="+n.at("helm"), "HELM_DATA_HOME="+n.at("helm"))
	_, err := output(command)
	return err
}

// StageChart puts the driver's chart beside ours, as `helm dependency build` would.
func (n *node) stageChart() error {
	target := n.at("chart")
	if err := os.CopyFS(target, os.DirFS(n.chart)); err != nil {
		return err
	}
	_ = os.RemoveAll(filepath.Join(target, "charts"))
	return os.CopyFS(filepath.Join(target, "charts", "secrets-store-csi-driver"), os.DirFS(filepath.Join(n.driver, "charts", "secrets-store-csi-driver")))
}

const driverValues = `
enableSecretRotation: true
rotationPollInterval: 2s
syncSecret: { enabled: true }
`

// AccessKeyPair is the provider's identity unless a case takes another.
const accessKeyPair = `
envVarsFromSecret:
  ACCESS_KEY_ID: { secretKeyRef: alibaba-credentials, key: id }
  SECRET_ACCESS_KEY: { secretKeyRef: alibaba-credentials, key: secret }
`

// Install installs or upgrades the release, and waits until it runs.
func (n *node) install(texts ...string) error {
	base := values{
		"regionId":                 "cn-hangzhou",
		"linux":                    map[string]any{"image": map[string]any{"repository": providerImage, "tag": "one"}},
		"trustedCA":                map[string]any{"configMap": "fake-cloud-ca", "key": "ca.pem"},
		"secrets-store-csi-driver": map[string]any{},
		"provider":                 map[string]any{"refreshInterval": "2s"},
	}
	var driver map[string]any
	if err := yaml.Unmarshal([]byte(driverValues), &driver); err != nil {
		return err
	}
	base["secrets-store-csi-driver"] = driver
	for _, text := range texts {
		var more map[string]any
		if err := yaml.Unmarshal([]byte(text), &more); err != nil {
			return err
		}
		merge(base, more)
	}
	text, err := json.Marshal(base)
	if err != nil {
		return err
	}
	file := n.at("values.yaml")
	if err := write(file, string(text)); err != nil {
		return err
	}
	if err := n.helm("upgrade", "--install", releaseName, n.at("chart"), "--values", file, "--wait", "--timeout", "3m"); err != nil {
		return fmt.Errorf("%w\n%s", err, n.state())
	}
	return n.rolledOut()
}

// RolledOut waits until driver and provider run, and nothing is on its way out.
func (n *node) rolledOut() error {
	return until(2*time.Minute, func() error {
		pods, err := n.client.CoreV1().Pods(system).List(background, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, pod := range pods.Items {
			if pod.DeletionTimestamp != nil || !isReady(&pod) {
				return fmt.Errorf("pod %s is not ready, or ends", pod.Name)
			}
		}
		return nil
	})
}

// State is what is not well in kube-system, for an error.
func (n *node) state() string {
	var lines []string
	for _, one := range n.watched.in(system) {
		if one.deleted.IsZero() && !isReady(one.pod) {
			lines = append(lines, fmt.Sprintf("pod %s is %s", one.pod.Name, one.pod.Status.Phase))
			if log, err := n.kubectl("logs", "--namespace", system, one.pod.Name, "--all-containers", "--tail=5"); err == nil {
				lines = append(lines, log)
			}
		}
	}
	for _, event := range n.watched.messages(system, "") {
		lines = append(lines, event.InvolvedObject.Name+": "+event.Message)
	}
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}

func merge(into, from map[string]any) {
	for key, value := range from {
		inner, is := value.(map[string]any)
		target, has := into[key].(map[string]any)
		if is && has {
			merge(target, inner)
			continue
		}
		into[key] = value
	}
}

// Prepare makes what the release refers to.
func (n *node) prepare() error {
	ca, err := os.ReadFile(n.at("ca.pem"))
	if err != nil {
		return err
	}
	_, err = n.client.CoreV1().ConfigMaps(system).Create(background, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "fake-cloud-ca"}, Data: map[string]string{"ca.pem": string(ca)},
	}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	_, err = n.client.CoreV1().Secrets(system).Create(background, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "alibaba-credentials"},
		StringData: map[string]string{
			"id": "LTAI5tFakeCloudProvider1", "secret": "FakeCloudProviderSecret000001",
			"rolearn":         "acs:ram::1234567890120000:role/demo-role-for-rrsa",
			"adminrolearn":    "acs:ram::1234567890120000:role/adminrole",
			"oidcproviderarn": "acs:ram::1234567890120000:oidc-provider/ack-rrsa-c0fake0cloud0cluster0000000001",
		},
	}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	return nil
}

// ProviderPods are the provider's, those that end last.
func (n *node) podsOf(app string) ([]corev1.Pod, error) {
	list, err := n.client.CoreV1().Pods(system).List(background, metav1.ListOptions{LabelSelector: "app=" + app})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// Asked waits until the fake cloud has a request of this identity in its log.
func (n *node) asked(principal string) error {
	log, err := n.ask("GET", "/requests", "")
	if err == nil && !strings.Contains(log, principal) {
		err = fmt.Errorf("nobody asked as %s: %s", principal, log)
	}
	return err
}

// Processes are the ids of the machine's processes whose program's path in their image is this.
func processes(program string) ([]int, error) {
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		return nil, err
	}
	var found []int
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && target == program {
			var pid int
			if _, err := fmt.Sscanf(link, "/proc/%d/exe", &pid); err == nil {
				found = append(found, pid)
			}
		}
	}
	return found, nil
}
