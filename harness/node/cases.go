package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var cases = []testCase{
	{"first", "the chart installs, and the first pod has its secrets", firstMount},
	{"content", "modes, subPath, several containers, jmesPath, directories, fsGroup", content},
	{"missing", "a missing secret keeps its pod waiting, with an event that says so", missing},
	{"rotation", "files follow the cloud", rotation},
	{"sync", "Kubernetes Secrets follow the files", syncSecrets},
	{"forty", "40 pods at once", forty},
	{"killed", "the provider is killed twice while pods start", killed},
	{"hung", "the provider is stopped and goes on", hung},
	{"driver", "the driver is replaced while pods start", driverReplaced},
	{"kubelet", "kubelet is restarted while pods start", kubeletRestarted},
	{"stuck", "the provider is stopped for good, until its probe fails", stuck},
	{"clocks", "files follow the cloud, with the default clocks", defaultClocks},
	{"full-disk", "the disk below kubelet's directory is full for a while", fullDisk},
	{"oom", "the provider is killed for its memory while pods start", oomKilled},
	{"drain", "the node is drained and comes back", drain},
	{"reboot", "the node reboots", reboot},
	{"identities", "the provider's own identities and the pod's AccessKey pair", identities},
	{"pod-identity", "the pod's role by kubelet's token", podIdentity},
	{"nonroot", "nonRoot on and off while pods start", nonRoot},
	{"own-surge", "this chart's upgrade by surge while pods start", ownUpgrade},
	{"own-in-place", "this chart's upgrade, old pod first, while pods start", ownUpgradeInPlace},
	{"official-surge", "upgrade from the official chart and rollback, this chart's default strategy", official06},
	{"official-in-place", "upgrade from the official chart and rollback, old pod first", official06InPlace},
	{"upstream", "the driver's own cases of a provider", upstream},
	{"bats", "this provider's suite in the same form", own},
	{"uninstall", "uninstalling leaves nothing", uninstall},
}

const both = `
- objectName: "test"
  objectType: "oos"
- objectName: "test-kms"
`

func firstMount(t *trial) (string, error) {
	if err := t.class("both", both, nil); err != nil {
		return "", err
	}
	if err := t.started("first", "both"); err != nil {
		return "", err
	}
	return "", errors.Join(
		t.says("first", "cat /secrets/test", "hello from OOS"),
		t.says("first", "cat /secrets/test-kms", "hello from KMS"),
		t.says("first", "ls /secrets", "test\ntest-kms"),
		t.says("first", "touch /secrets/x 2>/dev/null || echo read-only", "read-only"),
	)
}

func content(t *trial) (string, error) {
	if err := errors.Join(
		t.class("modes", `
- objectName: "test"
  objectType: "oos"
  filePermission: "0400"
- objectName: "keystore"
- objectName: "db-credentials"
  mountWholeSecret: false
  jmesPath:
    - path: "username"
      objectAlias: "user"
      filePermission: "0444"
    - path: "port"
`, map[string]any{"parameters": map[string]any{"filePermission": "0440"}}),
		t.class("directories", `
- objectName: "My/Path/Secret"
  objectType: "oos"
- objectName: "app/db-password"
`, map[string]any{"parameters": map[string]any{"pathTranslation": "False"}}),
	); err != nil {
		return "", err
	}
	group := int64(3000)
	if err := t.started("modes", "modes", func(pod *corev1.Pod) {
		pod.Spec.SecurityContext = &corev1.PodSecurityContext{FSGroup: &group}
		other := *pod.Spec.Containers[0].DeepCopy()
		other.Name = "other"
		other.VolumeMounts = []corev1.VolumeMount{{Name: "secrets", MountPath: "/one", SubPath: "user", ReadOnly: true}}
		pod.Spec.Containers = append(pod.Spec.Containers, other)
		pod.Spec.InitContainers = []corev1.Container{{
			Name: "init", Image: "localhost/busybox:1", Command: []string{"/bin/sh", "-c", "test $(cat /secrets/user) = dbuser"},
			VolumeMounts: pod.Spec.Containers[0].VolumeMounts,
		}}
	}); err != nil {
		return "", err
	}
	if err := t.started("directories", "directories"); err != nil {
		return "", err
	}
	other, err := t.kubectl("exec", "--namespace", t.namespace, "modes", "--container=other", "--", "cat", "/one")
	if err != nil {
		return "", err
	}
	if other != "dbuser" {
		return "", fmt.Errorf("subPath: %q", other)
	}
	return "", errors.Join(
		t.says("modes", `cd /secrets && for f in *; do echo $f $(stat -L -c %a $f); done`, "keystore 440\nport 440\ntest 400\nuser 444"),
		t.says("modes", "cat /secrets/port", "3306"),
		t.says("modes", "od -An -tx1 /secrets/keystore", "00 01 02 03 fe fd fe ff"),
		t.says("directories", "cd /secrets && find -L . -type f -not -path '*..*' | sort", "./My/Path/Secret\n./app/db-password"),
		t.says("directories", "cat /secrets/My/Path/Secret", "a value below a path"),
	)
}

func missing(t *trial) (string, error) {
	if err := t.class("missing", "- objectName: \"not-there\"\n- objectName: \"test\"\n  objectType: \"oos\"\n", nil); err != nil {
		return "", err
	}
	if err := t.create(newPod("waits", "missing")); err != nil {
		return "", err
	}
	if err := t.event("waits", "not-there", "rpc error: code = NotFound"); err != nil {
		return "", err
	}
	if err := t.set("kms/not-there", "there after all"); err != nil {
		return "", err
	}
	defer func() { _, _ = t.ask("DELETE", "/kms/not-there", "") }()
	if err := t.running(); err != nil {
		return "", err
	}
	return "", t.says("waits", "cat /secrets/not-there", "there after all")
}

func rotation(t *trial) (string, error) { return t.rotates(2 * time.Minute) }

// Rotates changes a secret and a parameter, and waits for their files.
func (t *trial) rotates(most time.Duration) (string, error) {
	if err := errors.Join(t.set("kms/turning", "one"), t.set("oos/turning", "one"), t.class("turning", `
- objectName: "turning"
- objectName: "turning"
  objectType: "oos"
  objectAlias: "parameter"
`, nil)); err != nil {
		return "", err
	}
	if err := t.started("turning", "turning"); err != nil {
		return "", err
	}
	if err := t.says("turning", "cat /secrets/turning /secrets/parameter", "oneone"); err != nil {
		return "", err
	}
	since := time.Now()
	if err := errors.Join(t.set("kms/turning", "two"), t.set("oos/turning", "two")); err != nil {
		return "", err
	}
	if err := until(most, func() error {
		return t.says("turning", "cat /secrets/turning /secrets/parameter", "twotwo")
	}); err != nil {
		return "", err
	}
	return fmt.Sprintf("rotated after %.0f s", time.Since(since).Seconds()), nil
}

func syncSecrets(t *trial) (string, error) {
	if err := errors.Join(t.set("kms/synced", "one"), t.class("synced", `
- objectName: "synced"
- objectName: "db-credentials"
  jmesPath:
    - path: "password"
`, map[string]any{"secretObjects": []any{map[string]any{
		"secretName": "from-the-cloud", "type": "Opaque", "labels": map[string]any{"environment": "test"},
		"data": []any{
			map[string]any{"objectName": "synced", "key": "value"},
			map[string]any{"objectName": "password", "key": "password"},
		},
	}}})); err != nil {
		return "", err
	}
	if err := t.started("synced", "synced", func(pod *corev1.Pod) {
		pod.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "VALUE", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: "from-the-cloud"}, Key: "value",
		}}}}
	}); err != nil {
		return "", err
	}
	data := func(value, password string) func() error {
		return func() error {
			secret, err := t.client.CoreV1().Secrets(t.namespace).Get(background, "from-the-cloud", metav1.GetOptions{})
			if err != nil {
				return err
			}
			if string(secret.Data["value"]) != value || string(secret.Data["password"]) != password {
				return errors.New("the Secret does not hold what the volume holds")
			}
			return nil
		}
	}
	if err := errors.Join(data("one", "dbpassword")(), t.says("synced", "echo $VALUE", "one"), t.set("kms/synced", "two")); err != nil {
		return "", err
	}
	if err := until(2*time.Minute, data("two", "dbpassword")); err != nil {
		return "", err
	}
	if err := t.client.CoreV1().Pods(t.namespace).Delete(background, "synced", metav1.DeleteOptions{}); err != nil {
		return "", err
	}
	return "", until(2*time.Minute, func() error {
		if data("two", "dbpassword")() == nil {
			return errors.New("the Secret outlives its last pod")
		}
		return nil
	})
}

func forty(t *trial) (string, error) {
	if err := t.class("both", both, nil); err != nil {
		return "", err
	}
	for i := range 40 {
		if err := t.create(newPod(fmt.Sprintf("p%d", i), "both")); err != nil {
			return "", err
		}
	}
	return "", t.running()
}

const providerProgram = "/csi-secrets-store-provider-alibabacloud"

// Strike sends a signal to the provider, which must be one process.
func (n *node) strike(signal syscall.Signal) error {
	found, err := processes(providerProgram)
	if err != nil {
		return err
	}
	if len(found) != 1 {
		return fmt.Errorf("%d processes of the provider", len(found))
	}
	return syscall.Kill(found[0], signal)
}

func killed(t *trial) (string, error) {
	if err := t.class("both", both, nil); err != nil {
		return "", err
	}
	return "", t.while("both", 500*time.Millisecond, func() error {
		for range 2 {
			time.Sleep(2 * time.Second)
			if err := until(time.Minute, func() error { return t.strike(syscall.SIGKILL) }); err != nil {
				return err
			}
		}
		return t.rolledOut()
	})
}

func hung(t *trial) (string, error) {
	if err := t.class("both", both, nil); err != nil {
		return "", err
	}
	return "stopped for 20 s", t.while("both", 500*time.Millisecond, func() error {
		time.Sleep(2 * time.Second)
		if err := t.strike(syscall.SIGSTOP); err != nil {
			return err
		}
		time.Sleep(20 * time.Second)
		return t.strike(syscall.SIGCONT)
	})
}

func driverReplaced(t *trial) (string, error) {
	if err := t.class("both", both, nil); err != nil {
		return "", err
	}
	return "", t.while("both", 500*time.Millisecond, func() error {
		time.Sleep(2 * time.Second)
		pods, err := t.podsOf("secrets-store-csi-driver")
		if err != nil || len(pods) != 1 {
			return fmt.Errorf("%d pods of the driver: %w", len(pods), err)
		}
		if err := t.client.CoreV1().Pods(system).Delete(background, pods[0].Name, metav1.DeleteOptions{}); err != nil {
			return err
		}
		time.Sleep(time.Second)
		return t.rolledOut()
	})
}

func kubeletRestarted(t *trial) (string, error) {
	if err := t.class("both", both, nil); err != nil {
		return "", err
	}
	return "", t.while("both", 500*time.Millisecond, func() error {
		time.Sleep(2 * time.Second)
		t.stop("kubelet")
		time.Sleep(2 * time.Second)
		return errors.Join(t.startKubelet(), t.ready())
	})
}

// Stuck leaves the provider stopped: kubelet's probe ends it, and kubelet starts it again.
func stuck(t *trial) (string, error) {
	if err := t.class("both", both, nil); err != nil {
		return "", err
	}
	if err := t.strike(syscall.SIGSTOP); err != nil {
		return "", err
	}
	since := time.Now()
	for i := range 5 {
		if err := t.create(newPod(fmt.Sprintf("p%d", i), "both")); err != nil {
			return "", err
		}
	}
	err := t.running()
	return fmt.Sprintf("all ran %.0f s after it stopped", time.Since(since).Seconds()), errors.Join(err, t.rolledOut())
}

// DefaultClocks has kubelet, the driver and the provider at their own pace.
func defaultClocks(t *trial) (string, error) {
	slow := func(frequency string) error {
		text, err := os.ReadFile(t.at("kubelet.yaml"))
		if err != nil {
			return err
		}
		t.stop("kubelet")
		changed := syncFrequency.ReplaceAllString(string(text), "syncFrequency: "+frequency)
		return errors.Join(write(t.at("kubelet.yaml"), changed), t.startKubelet(), t.ready())
	}
	if err := errors.Join(slow("1m"), t.install(accessKeyPair, `{ provider: { refreshInterval: "" }, secrets-store-csi-driver: { rotationPollInterval: 2m } }`)); err != nil {
		return "", err
	}
	// The rotation interval, kubelet's longest pause, and the refresh interval.
	said, err := t.rotates(5 * time.Minute)
	return said, errors.Join(err, slow("10s"), t.install(accessKeyPair))
}

var syncFrequency = regexp.MustCompile(`(?m)^syncFrequency: .*`)

// FullDisk fills the file system of kubelet's directory: pods that start then wait, those that run keep their files.
func fullDisk(t *trial) (string, error) {
	if err := t.class("both", both, nil); err != nil {
		return "", err
	}
	if err := t.started("before", "both"); err != nil {
		return "", err
	}
	file := "/var/lib/kubelet/full"
	fill := func() error {
		// The last byte, whoever frees some meanwhile.
		_, _ = run("dd", "if=/dev/zero", "of="+file, "bs=64k")
		return nil
	}
	if err := fill(); err != nil {
		return "", err
	}
	for i := range 3 {
		if err := t.create(newPod(fmt.Sprintf("p%d", i), "both")); err != nil {
			return "", err
		}
	}
	time.Sleep(15 * time.Second)
	kept := t.says("before", "cat /secrets/test", "hello from OOS")
	if err := os.Remove(file); err != nil {
		return "", err
	}
	return "full for 15 s", errors.Join(kept, t.running())
}
