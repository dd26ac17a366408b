package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const socketDirectory = "/var/run/secrets-store-csi-providers"

// Later starts than these, while one provider takes another's place, are more than kubelet's first retries on a busy
// machine: by surge, and where the node has none in between.
const promptly, promptlyInPlace = 15 * time.Second, 30 * time.Second

// Prompt fails if a pod of the case waited longer than kubelet's first retries.
func (t *trial) prompt(inPlace bool) error {
	most := promptly
	if inPlace {
		most = promptlyInPlace
	}
	if _, _, slowest, _ := t.watched.starts(t.namespace); slowest > most {
		return fmt.Errorf("a pod waited %.1f s; kubelet's first retries take %s at most", slowest.Seconds(), most)
	}
	return nil
}

func ownUpgrade(t *trial) (string, error) {
	return "one, two, one", t.upgrades(accessKeyPair, false)
}

func ownUpgradeInPlace(t *trial) (string, error) {
	return "one, two, one; maxSurge 0", t.upgrades(accessKeyPair+"linux: { updateStrategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } } }\n", true)
}

func (t *trial) upgrades(values string, inPlace bool) error {
	if err := errors.Join(t.class("both", both, nil), t.install(values)); err != nil {
		return err
	}
	err := t.while("both", 400*time.Millisecond, func() error {
		for _, tag := range []string{"two", "one"} {
			time.Sleep(2 * time.Second)
			if err := t.install(values, "linux: { image: { tag: "+tag+" } }"); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, t.prompt(inPlace), t.install(accessKeyPair))
}

func nonRoot(t *trial) (string, error) {
	if err := t.class("both", both, nil); err != nil {
		return "", err
	}
	var on, off string
	err := t.while("both", 400*time.Millisecond, func() error {
		if err := t.install(accessKeyPair, "linux: { nonRoot: true }"); err != nil {
			return err
		}
		found, err := processes(providerProgram)
		if err != nil || len(found) != 1 {
			return fmt.Errorf("%d processes of the provider: %w", len(found), err)
		}
		var status syscall.Stat_t
		if err := syscall.Stat(fmt.Sprintf("/proc/%d", found[0]), &status); err != nil {
			return err
		}
		if status.Uid != 65532 {
			return fmt.Errorf("the provider has uid %d", status.Uid)
		}
		if on, err = owner(socketDirectory); err != nil {
			return err
		}
		if err := t.install(accessKeyPair); err != nil {
			return err
		}
		off, err = owner(socketDirectory)
		return err
	})
	if err == nil && (on != "0:65532 775" || off != "0:0 755") {
		_ = os.Chown(socketDirectory, 0, 0)
		_ = os.Chmod(socketDirectory, 0o755)
		err = fmt.Errorf("the socket's directory: expected 0:65532 775 with nonRoot and 0:0 755 after it, found %s and %s", on, off)
	}
	return "", errors.Join(err, t.prompt(false))
}

func owner(path string) (string, error) {
	var status syscall.Stat_t
	err := syscall.Stat(path, &status)
	return fmt.Sprintf("%d:%d %o", status.Uid, status.Gid, status.Mode&0o7777), err
}

// Official is the official chart 0.6.0 as far as an upgrade in place sees it; harness/chart/official has more of it.
const officialManifests = `
apiVersion: v1
kind: ServiceAccount
metadata: { name: csi-secrets-store-provider-alibabacloud, namespace: kube-system }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: csi-secrets-store-provider-alibabacloud }
rules: [{ apiGroups: [""], resources: [serviceaccounts], verbs: [get] }]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: csi-secrets-store-provider-alibabacloud-binding }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: csi-secrets-store-provider-alibabacloud }
subjects: [{ kind: ServiceAccount, name: csi-secrets-store-provider-alibabacloud, namespace: kube-system }]
---
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: csi-secrets-store-provider-alibabacloud
  namespace: kube-system
  labels: { app: csi-secrets-store-provider-alibabacloud }
spec:
  selector: { matchLabels: { app: csi-secrets-store-provider-alibabacloud } }
  template:
    metadata: { labels: { app: csi-secrets-store-provider-alibabacloud } }
    spec:
      serviceAccountName: csi-secrets-store-provider-alibabacloud
      hostNetwork: true
      nodeSelector: { kubernetes.io/os: linux }
      containers:
        - name: provider-alibabacloud-installer
          image: registry.example.com/official:v0.6.0
          args: [--provider-volume=/provider, --healthz-port=8989, --healthz-path=/healthz, --healthz-timeout=5s, --region=cn-hangzhou]
          livenessProbe: { httpGet: { path: /healthz, port: 8989 }, initialDelaySeconds: 5, timeoutSeconds: 10, periodSeconds: 30 }
          ports: [{ containerPort: 8989, hostPort: 8989 }]
          volumeMounts: [{ name: provider-vol, mountPath: /provider }]
      volumes: [{ name: provider-vol, hostPath: { path: /var/run/secrets-store-csi-providers } }]
`

// InstallOfficial installs the stand-in as the release's first revision.
func (n *node) installOfficial() error {
	if err := n.uninstall(); err != nil {
		return err
	}
	chart := n.at("official")
	if _, err := os.Stat(chart); err != nil {
		head, err := os.ReadFile(filepath.Join(n.chart, "Chart.yaml"))
		if err != nil {
			return err
		}
		values, err := os.ReadFile(filepath.Join(n.chart, "values.yaml"))
		if err != nil {
			return err
		}
		if err := errors.Join(
			write(filepath.Join(chart, "Chart.yaml"), string(head)),
			write(filepath.Join(chart, "templates", "official.yaml"), officialManifests),
			// The driver's values are this chart's, so that an upgrade leaves the driver alone, with its connection.
			write(filepath.Join(chart, "values.yaml"), string(values)),
			os.CopyFS(filepath.Join(chart, "charts"), os.DirFS(n.at("chart", "charts"))),
		); err != nil {
			return err
		}
	}
	inner := "secrets-store-csi-driver:\n  " + strings.ReplaceAll(strings.TrimSpace(driverValues), "\n", "\n  ") + "\n"
	file := n.at("official.yaml")
	if err := write(file, inner); err != nil {
		return err
	}
	if err := n.helm("install", releaseName, chart, "--values", file, "--wait", "--timeout", "3m"); err != nil {
		return fmt.Errorf("%w\n%s", err, n.state())
	}
	return n.rolledOut()
}

func (n *node) uninstall() error {
	if err := n.helm("uninstall", releaseName, "--wait", "--timeout", "3m"); err != nil {
		return err
	}
	n.installed = false
	return until(time.Minute, func() error {
		pods, err := n.client.CoreV1().Pods(system).List(background, metav1.ListOptions{})
		if err == nil && len(pods.Items) > 0 {
			err = fmt.Errorf("pod %s does not end", pods.Items[0].Name)
		}
		return err
	})
}

func official06(t *trial) (string, error) {
	return t.migrates("")
}

func official06InPlace(t *trial) (string, error) {
	return t.migrates("linux: { updateStrategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } } }\n")
}

// Migrates upgrades the stand-in to this chart while pods start, and goes back, each in a namespace of its own.
func (t *trial) migrates(strategy string) (string, error) {
	if err := t.installOfficial(); err != nil {
		return "", err
	}
	back, err := t.newNamespace(t.namespace + "-back")
	if err != nil {
		return "", err
	}
	if err := errors.Join(t.class("both", both, nil), back.class("both", both, nil)); err != nil {
		return "", err
	}
	err = t.while("both", 500*time.Millisecond, func() error {
		time.Sleep(2 * time.Second)
		return t.install(accessKeyPair, strategy)
	})
	if err == nil {
		t.installed = true
		err = errors.Join(t.started("after", "both"), t.says("after", "cat /secrets/test", "hello from OOS"))
	}
	if err != nil {
		return "", errors.Join(err, back.end())
	}
	forwards := t.prompt(strategy != "")
	err = back.while("both", 500*time.Millisecond, func() error {
		time.Sleep(2 * time.Second)
		if err := t.helm("rollback", releaseName, "1", "--wait", "--timeout", "3m"); err != nil {
			return err
		}
		return t.rolledOut()
	})
	if err == nil {
		err = errors.Join(back.started("after", "both"), back.says("after", "cat /secrets/test", "official"))
	}
	started, all, slowest, warnings := t.watched.starts(back.namespace)
	said := fmt.Sprintf("rollback: %d of %d pods started, slowest %.2f s, %s; upgrade", started, all, slowest.Seconds(), warnings)
	return said, errors.Join(forwards, err, back.prompt(strategy != ""), back.end(), t.empty(), t.uninstall())
}

// OOMKilled has the kernel end the provider for its memory.
func oomKilled(t *trial) (string, error) {
	if err := t.class("both", both, nil); err != nil {
		return "", err
	}
	err := t.while("both", 500*time.Millisecond, func() error {
		time.Sleep(2 * time.Second)
		found, err := processes(providerProgram)
		if err != nil || len(found) != 1 {
			return fmt.Errorf("%d processes of the provider: %w", len(found), err)
		}
		group, err := memoryGroup(found[0])
		if err != nil {
			return err
		}
		// As low as the kernel lets it be: whatever is allocated next is too much.
		for limit := 16 << 20; limit > 0; limit -= 256 << 10 {
			if os.WriteFile(filepath.Join(group, "memory.limit_in_bytes"), []byte(strconv.Itoa(limit)), 0o644) != nil {
				break
			}
		}
		if err := until(time.Minute, func() error {
			pods, err := t.podsOf(releaseName)
			if err != nil {
				return err
			}
			for _, pod := range pods {
				for _, status := range pod.Status.ContainerStatuses {
					for _, state := range []corev1.ContainerState{status.State, status.LastTerminationState} {
						if state.Terminated != nil && state.Terminated.Reason == "OOMKilled" {
							return nil
						}
					}
				}
			}
			return errors.New("nobody was killed for memory")
		}); err != nil {
			return err
		}
		return t.rolledOut()
	})
	return "", err
}

func memoryGroup(pid int) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return "", err
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if _, path, is := strings.Cut(line, ":memory:"); is {
			return filepath.Join("/sys/fs/cgroup/memory", path), nil
		}
	}
	return "", fmt.Errorf("process %d is in no group of the memory hierarchy", pid)
}

// Reboot ends all that runs on the node, and what a reboot clears, and boots again.
func reboot(t *trial) (string, error) {
	if err := t.class("both", both, nil); err != nil {
		return "", err
	}
	for i := range 10 {
		if err := t.create(newPod(fmt.Sprintf("p%d", i), "both")); err != nil {
			return "", err
		}
	}
	if err := t.running(); err != nil {
		return "", err
	}
	t.stop("kubelet")
	t.stop("containerd")
	if err := t.powerOff(); err != nil {
		return "", err
	}
	since := time.Now()
	if err := errors.Join(t.startContainerd(), t.startKubelet()); err != nil {
		return "", err
	}
	if err := until(lost, func() error {
		pods, err := t.client.CoreV1().Pods(t.namespace).List(background, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, pod := range pods.Items {
			if !isReady(&pod) || pod.Status.ContainerStatuses[0].RestartCount == 0 {
				return fmt.Errorf("pod %s does not run again", pod.Name)
			}
		}
		return nil
	}); err != nil {
		return "", err
	}
	after := time.Since(since)
	return fmt.Sprintf("10 pods ran again %.0f s after boot", after.Seconds()),
		errors.Join(t.says("p0", "cat /secrets/test", "hello from OOS"), t.rolledOut())
}

// PowerOff kills every container and its shim, and takes away what does not outlive a boot.
func (n *node) powerOff() error {
	for range 20 {
		running := 0
		shims, err := processes("/usr/bin/containerd-shim-runc-v2")
		if err != nil {
			return err
		}
		for _, pid := range shims {
			running++
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		err = filepath.WalkDir(filepath.Join("/sys/fs/cgroup/pids", n.group), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.Name() != "cgroup.procs" {
				return nil
			}
			text, _ := os.ReadFile(path)
			for word := range strings.FieldsSeq(string(text)) {
				if pid, err := strconv.Atoi(word); err == nil && pid > 1 {
					running++
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if running == 0 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	var below []string
	for line := range strings.SplitSeq(strings.TrimSpace(string(mounts)), "\n") {
		if path := strings.Fields(line)[4]; strings.HasPrefix(path, "/run") || strings.HasPrefix(path, "/var/lib/kubelet/") {
			below = append(below, path)
		}
	}
	sort.Sort(sort.Reverse(sort.StringSlice(below)))
	for _, path := range below {
		_ = syscall.Unmount(path, syscall.MNT_DETACH)
	}
	if _, err := run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"); err != nil {
		return err
	}
	// The dead containers' control groups, over which kubelet would stumble.
	all, err := hierarchies()
	if err != nil {
		return err
	}
	for _, hierarchy := range all {
		if _, err := os.Stat(filepath.Join(hierarchy, n.group, "kubepods")); err == nil {
			removeGroup(filepath.Join(hierarchy, n.group, "kubepods"))
		}
	}
	return nil
}

// Drain empties the node and gives it back.
func drain(t *trial) (string, error) {
	if err := t.class("both", both, nil); err != nil {
		return "", err
	}
	replicas, labels := int32(5), map[string]string{"app": "drained"}
	template := newPod("", "both")
	template.Labels = labels
	_, err := t.client.AppsV1().Deployments(t.namespace).Create(background, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "drained"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: template.Spec},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	ready := func(count int) error {
		return until(lost, func() error {
			found, err := t.client.AppsV1().Deployments(t.namespace).Get(background, "drained", metav1.GetOptions{})
			if err == nil && int(found.Status.ReadyReplicas) != count {
				err = fmt.Errorf("%d of %d pods are ready", found.Status.ReadyReplicas, count)
			}
			return err
		})
	}
	if err := ready(5); err != nil {
		return "", err
	}
	if _, err := t.kubectl("drain", nodeName, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=2m"); err != nil {
		return "", err
	}
	if err := ready(0); err != nil {
		return "", err
	}
	since := time.Now()
	if _, err := t.kubectl("uncordon", nodeName); err != nil {
		return "", err
	}
	err = ready(5)
	return fmt.Sprintf("5 pods ran %.1f s after the return", time.Since(since).Seconds()), err
}

// Uninstall leaves nothing: no object of the release, no socket, no process, no mount.
func uninstall(t *trial) (string, error) {
	if err := t.uninstall(); err != nil {
		return "", err
	}
	left, err := t.kubectl("get", "daemonsets,serviceaccounts,clusterroles,clusterrolebindings,configmaps,services,networkpolicies,csidrivers,secrets,roles,rolebindings,jobs",
		"--all-namespaces", "--output", `jsonpath={range .items[?(@.metadata.annotations.meta\.helm\.sh/release-name=="`+releaseName+`")]}{.kind} {.metadata.name}{"\n"}{end}`)
	if err != nil {
		return "", err
	}
	var problems []error
	if strings.TrimSpace(left) != "" {
		problems = append(problems, fmt.Errorf("objects: %s", left))
	}
	for _, directory := range []string{socketDirectory, "/etc/kubernetes/secrets-store-csi-providers"} {
		entries, err := os.ReadDir(directory)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, err)
		}
		for _, entry := range entries {
			problems = append(problems, fmt.Errorf("%s is left in %s", entry.Name(), directory))
		}
		if is, err := owner(directory); err == nil && is != "0:0 755" {
			problems = append(problems, fmt.Errorf("%s is %s", directory, is))
		}
	}
	for _, program := range []string{providerProgram, "/secrets-store-csi"} {
		if found, _ := processes(program); len(found) > 0 {
			problems = append(problems, fmt.Errorf("%s still runs", program))
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	if strings.Contains(string(mounts), "kubernetes.io~csi") {
		problems = append(problems, errors.New("a volume is still mounted"))
	}
	return "", errors.Join(problems...)
}
