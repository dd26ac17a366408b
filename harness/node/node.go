package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// Addresses of the node, all of them on interfaces of its own network namespace.
const (
	nodeName        = "node-1"
	nodeAddress     = "10.99.0.1"
	cloudAddress    = "10.99.0.2"
	apiAddress      = "10.96.0.1" // The first of the Services' range: what pods call kubernetes.default.
	metadataAddress = "100.100.100.200"
	podNetwork      = "10.88.0.0/16"
	issuer          = "https://oidc-ack-cn-hangzhou.oss-cn-hangzhou.aliyuncs.com/c0fake0cloud0cluster0000000001"
)

// Node is a machine of its own with a control plane beside it.
type node struct {
	*settings
	processes map[string]*process
	client    kubernetes.Interface
	dynamic   dynamic.Interface
	watched   *watched
	installed bool
}

type process struct {
	command *exec.Cmd
	ended   chan struct{}
}

func (n *node) at(path ...string) string { return filepath.Join(append([]string{n.place}, path...)...) }

// Run runs a program to its end.
func run(program string, arguments ...string) (string, error) {
	return output(exec.Command(program, arguments...))
}

func output(command *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s: %w: %s", strings.Join(command.Args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// Several runs one program after the other; each is a line.
func several(lines string) error {
	for line := range strings.SplitSeq(strings.TrimSpace(lines), "\n") {
		words := strings.Fields(line)
		if _, err := run(words[0], words[1:]...); err != nil {
			return err
		}
	}
	return nil
}

// Machine gives the namespaces what a machine has: mounts, settings of the kernel, addresses.
func (n *node) machine() error {
	if err := syscall.Sethostname([]byte(nodeName)); err != nil {
		return err
	}
	if err := several(`
mount --make-rprivate /
mount --make-rshared /
mount -t proc proc /proc`); err != nil {
		return err
	}
	// The network namespace's own sysfs, and below it the control groups as they were.
	aside := n.at("cgroup")
	if err := os.Mkdir(aside, 0o755); err != nil {
		return err
	}
	if err := several(fmt.Sprintf(`
mount --rbind /sys/fs/cgroup %[1]s
mount -t sysfs sysfs /sys
mount --rbind %[1]s /sys/fs/cgroup
mount --make-rprivate %[1]s
umount --lazy %[1]s`, aside)); err != nil {
		return err
	}
	// What kubelet wants to find, or it would set it for the whole machine.
	for path, value := range map[string]string{
		"vm/overcommit_memory": "1", "vm/panic_on_oom": "0", "kernel/panic": "10", "kernel/panic_on_oops": "1",
		"kernel/keys/root_maxkeys": "1000000", "kernel/keys/root_maxbytes": "25000000",
	} {
		file := n.at("sysctl", strings.ReplaceAll(path, "/", "."))
		if err := write(file, value+"\n"); err != nil {
			return err
		}
		if _, err := run("mount", "--bind", file, "/proc/sys/"+path); err != nil {
			return err
		}
	}
	for _, path := range mountPoints {
		own := n.at("disk", path)
		if err := os.MkdirAll(own, 0o755); err != nil {
			return err
		}
		from := "--bind " + own
		if path == "/var/lib/kubelet" {
			from = "-t tmpfs -o size=256m tmpfs" // Small enough for a case to fill it.
		}
		if err := several(fmt.Sprintf(`
mount %[1]s %[2]s
mount --make-private %[2]s
mount --make-shared %[2]s`, from, path)); err != nil {
			return err
		}
	}
	if _, err := run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"); err != nil {
		return err
	}
	return several(fmt.Sprintf(`
ip link set lo up
ip address add %s/32 dev lo
ip address add %s/32 dev lo
ip address add %s/32 dev lo
ip link add node0 type bridge
ip address add %s/24 dev node0
ip link set node0 up
ip route add default dev node0`, apiAddress, cloudAddress, metadataAddress, nodeAddress))
}

// Start starts a program that stays; what it says goes into a file of its name.
func (n *node) start(name, program string, arguments ...string) error {
	log, err := os.OpenFile(n.at(name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	command := exec.Command(program, arguments...)
	command.Stdout, command.Stderr = log, log
	command.Env = append(os.Environ(), "PATH="+n.at("bin")+":"+os.Getenv("PATH"))
	if err := command.Start(); err != nil {
		return err
	}
	p := &process{command, make(chan struct{})}
	n.processes[name] = p
	go func() {
		_ = command.Wait()
		close(p.ended)
	}()
	return nil
}

// Stop ends a program at once.
func (n *node) stop(name string) {
	p := n.processes[name]
	_ = p.command.Process.Kill()
	<-p.ended
}

func (n *node) cluster() string { return filepath.Join(n.tools, "cluster") }

// ControlPlane starts what a node is part of.
func (n *node) controlPlane() error {
	key, err := signingKey()
	if err != nil {
		return err
	}
	if err := errors.Join(
		write(n.at("signing.pem"), key),
		write(n.at("tokens.csv"), "admin-token,admin,admin,system:masters\nkubelet-token,system:node:"+nodeName+",node,system:nodes\n"),
		write(n.at("admin.conf"), fmt.Sprintf(kubeconfig, apiAddress, n.at("certificates", "apiserver.crt"), "admin-token")),
		write(n.at("kubelet.conf"), fmt.Sprintf(kubeconfig, apiAddress, n.at("certificates", "apiserver.crt"), "kubelet-token")),
	); err != nil {
		return err
	}
	client, peer := "http://127.0.0.1:2379", "http://127.0.0.1:2380"
	if err := errors.Join(
		n.start("etcd", n.cluster(), "etcd", "--data-dir="+n.at("etcd"), "--log-level=error", "--unsafe-no-fsync",
			"--listen-client-urls="+client, "--advertise-client-urls="+client,
			"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=default="+peer),
		n.start("kube-apiserver", n.cluster(), "kube-apiserver", "--etcd-servers="+client, "--bind-address="+apiAddress,
			"--secure-port=443", "--advertise-address="+apiAddress, "--endpoint-reconciler-type=none",
			"--cert-dir="+n.at("certificates"), "--token-auth-file="+n.at("tokens.csv"),
			"--authorization-mode=Node,RBAC", "--kubelet-preferred-address-types=InternalIP", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
			"--service-account-issuer="+issuer, "--api-audiences="+issuer,
			"--service-account-jwks-uri="+issuer+"/openid/v1/jwks",
			"--service-account-key-file="+n.at("signing.pem"), "--service-account-signing-key-file="+n.at("signing.pem"),
			"--service-cluster-ip-range=10.96.0.0/16"),
	); err != nil {
		return err
	}
	if err := until(2*time.Minute, func() error {
		certificate := n.at("certificates", "apiserver.crt")
		if _, err := os.Stat(certificate); err != nil {
			return err
		}
		config := &rest.Config{Host: "https://" + apiAddress, BearerToken: "admin-token", QPS: -1,
			TLSClientConfig: rest.TLSClientConfig{CAFile: certificate}}
		if n.client, err = kubernetes.NewForConfig(config); err != nil {
			return err
		}
		if n.dynamic, err = dynamic.NewForConfig(config); err != nil {
			return err
		}
		_, err := n.client.CoreV1().RESTClient().Get().AbsPath("/readyz").DoRaw(context.Background())
		return err
	}); err != nil {
		return fmt.Errorf("the API server: %w\n%s", err, n.tail("kube-apiserver"))
	}
	return errors.Join(
		n.start("kube-controller-manager", n.cluster(), "kube-controller-manager", "--kubeconfig="+n.at("admin.conf"),
			"--leader-elect=false", "--secure-port=0", "--root-ca-file="+n.at("certificates", "apiserver.crt"),
			"--controllers=daemonset-controller,deployment-controller,replicaset-controller,job-controller,"+
				"garbage-collector-controller,namespace-controller,serviceaccount-controller,pod-garbage-collector-controller,"+
				"root-ca-certificate-publisher-controller,clusterrole-aggregation-controller,node-lifecycle-controller,"+
				"taint-eviction-controller,disruption-controller"),
		n.start("kube-scheduler", n.cluster(), "kube-scheduler", "--kubeconfig="+n.at("admin.conf"), "--leader-elect=false", "--secure-port=0"),
	)
}

const kubeconfig = `apiVersion: v1
kind: Config
clusters: [{ name: c, cluster: { server: "https://%s", certificate-authority: %s } }]
users: [{ name: u, user: { token: %s } }]
contexts: [{ name: x, context: { cluster: c, user: u } }]
current-context: x
`

// Cloud starts the fake cloud, which trusts this cluster's tokens, and the names that lead to it.
func (n *node) startCloud() error {
	keys, err := n.client.CoreV1().RESTClient().Get().AbsPath("/openid/v1/jwks").DoRaw(context.Background())
	if err != nil {
		return err
	}
	world, err := run(n.cloud, "world")
	if err != nil {
		return err
	}
	// YAML takes JSON; the key set is a text in it.
	quoted, err := json.Marshal(string(keys))
	if err != nil {
		return err
	}
	anchor := "        client_ids: [sts.aliyuncs.com]\n"
	if strings.Count(world, anchor) != 1 {
		return errors.New("the fake cloud's world has no OIDC provider where one is expected")
	}
	world = strings.Replace(world, anchor, anchor+"        jwks: "+string(quoted)+"\n", 1)
	if err := errors.Join(
		write(n.at("world.yaml"), world),
		os.MkdirAll(n.at("names"), 0o755),
		write(n.at("resolv.conf"), "nameserver "+nodeAddress+"\n"),
		n.start("fake-cloud", n.cloud, "serve", "--state", n.at("world.yaml"), "--http", metadataAddress+":80",
			"--https", cloudAddress+":443", "--ca", n.at("ca.pem")),
		n.start("dnsmasq", "/usr/sbin/dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--pid-file=",
			"--listen-address="+nodeAddress, "--bind-interfaces", "--no-resolv", "--no-hosts",
			"--address=/aliyuncs.com/"+cloudAddress, "--local=/aliyuncs.com/", "--local=/cluster.local/", "--hostsdir="+n.at("names")),
	); err != nil {
		return err
	}
	return until(time.Minute, func() error {
		_, err := n.ask("GET", "/state", "")
		return err
	})
}

// Ask uses the fake cloud's controls.
func (n *node) ask(method, path, body string) (string, error) {
	request, err := http.NewRequest(method, "http://"+metadataAddress+"/_fake"+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %s", method, path, response.Status, text)
	}
	return string(text), err
}

// Set gives a secret (kms/NAME) or a parameter (oos/NAME) a new value.
func (n *node) set(name, value string) error {
	_, err := n.ask("PUT", "/"+name, value)
	return err
}

// StartContainerd and startKubelet are what a boot of the node starts.
func (n *node) startContainerd() error {
	if err := n.start("containerd", "/usr/bin/containerd", "--config", n.at("containerd.toml")); err != nil {
		return err
	}
	return until(time.Minute, func() error {
		_, err := run("ctr", "--namespace", "k8s.io", "images", "list", "--quiet")
		return err
	})
}

func (n *node) startKubelet() error {
	return n.start("kubelet", n.cluster(), "kubelet", "--config="+n.at("kubelet.yaml"), "--kubeconfig="+n.at("kubelet.conf"),
		"--hostname-override="+nodeName, "--node-ip="+nodeAddress)
}

func (n *node) configure() error {
	return errors.Join(
		write(n.at("containerd.toml"), fmt.Sprintf(containerdConfig, n.at("containerd"), n.at("cni"))),
		write(n.at("cni", "10-bridge.conflist"), cniConfig),
		write(n.at("kubelet.yaml"), fmt.Sprintf(kubeletConfig, nodeAddress, n.group, nodeAddress, n.at("resolv.conf"))),
	)
}

const containerdConfig = `version = 2
root = %q
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper"]
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  # A machine may lack CAP_SYS_RESOURCE.
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = %q
`

const cniConfig = `{
  "cniVersion": "1.0.0", "name": "pods",
  "plugins": [{
    "type": "bridge", "bridge": "pods0", "isGateway": true,
    "ipam": { "type": "host-local", "ranges": [[{ "subnet": "` + podNetwork + `" }]], "routes": [{ "dst": "0.0.0.0/0" }] }
  }]
}
`

const kubeletConfig = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: %s
authentication: { anonymous: { enabled: true }, webhook: { enabled: false } }
authorization: { mode: AlwaysAllow }
cgroupRoot: /%s
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
protectKernelDefaults: true
makeIPTablesUtilChains: false
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
clusterDNS: [%s]
clusterDomain: cluster.local
resolvConf: %s
# Also the pace of republishing: 10 to 15 s instead of 60 to 90.
syncFrequency: 10s
registryPullQPS: 0
# Nothing is evicted: this machine has other work too.
evictionHard: { memory.available: "0%%", nodefs.available: "0%%", imagefs.available: "0%%", nodefs.inodesFree: "0%%", imagefs.inodesFree: "0%%", pid.available: "0%%" }
imageGCHighThresholdPercent: 100
kubeAPIQPS: 100
kubeAPIBurst: 200
`

// Images gives containerd what no registry is asked for.
func (n *node) images() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	busybox := map[string]string{}
	applets, err := run("/bin/busybox", "--list")
	if err != nil {
		return err
	}
	for applet := range strings.FieldsSeq(applets) {
		busybox["/bin/"+applet] = "/bin/busybox"
	}
	delete(busybox, "/bin/busybox")
	crds := map[string]string{}
	files, err := filepath.Glob(filepath.Join(n.driver, "charts/secrets-store-csi-driver/crds/*.yaml"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no definitions in the driver's chart: %w", err)
	}
	for _, file := range files {
		crds["/crds/"+filepath.Base(file)] = file
	}
	crds["/node"] = self
	passwd := map[string]string{
		// Debian's busybox has none.
		"/bin/printenv": "#!/bin/sh\n[ $# -gt 0 ] || exec env\nenv | sed -n \"s/^$1=//p\"\n",
		"/etc/passwd":   "root:x:0:0::/:/bin/sh\n", "/etc/group": "root:x:0:\n"}
	version := strings.TrimSuffix(n.driver[strings.LastIndex(n.driver, "@")+1:], "/")
	registrarImage, probeImage := n.chartImage("registrarImage"), n.chartImage("livenessProbeImage")
	for name, one := range map[string]image{
		"pause":    {names: []string{"localhost/pause:1"}, entrypoint: []string{"/pause"}, files: map[string]string{"/pause": filepath.Join(n.tools, "pause")}},
		"provider": {names: []string{providerImage + ":one", providerImage + ":two"}, entrypoint: []string{"/csi-secrets-store-provider-alibabacloud"}, files: map[string]string{"/csi-secrets-store-provider-alibabacloud": n.provider}},
		"cloud":    {names: []string{cloudImage}, entrypoint: []string{"/fake-cloud"}, files: map[string]string{"/fake-cloud": n.cloud}},
		"driver": {names: []string{"registry.k8s.io/csi-secrets-store/driver:" + version}, entrypoint: []string{"/secrets-store-csi"},
			files: map[string]string{"/secrets-store-csi": filepath.Join(n.tools, "driver-"+version), "/bin/mount": "/bin/mount", "/bin/umount": "/bin/umount"}, texts: passwd},
		"crds":      {names: []string{"registry.k8s.io/csi-secrets-store/driver-crds:" + version}, entrypoint: []string{"/node", "kubectl"}, files: crds},
		"registrar": {names: []string{registrarImage}, entrypoint: []string{"/node", "registrar"}, files: map[string]string{"/node": self}},
		"probe":     {names: []string{probeImage}, entrypoint: []string{"/node", "livenessprobe"}, files: map[string]string{"/node": self}},
		"official":  {names: []string{"registry.example.com/official:v0.6.0"}, entrypoint: []string{"/node", "official"}, files: map[string]string{"/node": self}},
		"busybox": {names: []string{"localhost/busybox:1", "registry.k8s.io/e2e-test-images/busybox:1.29-4"},
			files: map[string]string{"/bin/busybox": "/bin/busybox"}, links: busybox, texts: passwd},
		"curl": {names: []string{"docker.io/curlimages/curl:7.75.0"}, files: map[string]string{"/bin/busybox": "/bin/busybox", "/node": self}, links: busybox,
			texts: map[string]string{"/bin/curl": "#!/bin/sh\nexec /node curl \"$@\"\n"}},
	} {
		if name == "provider" && n.image != "" {
			if err := n.imported(n.image, one.names); err != nil {
				return err
			}
			continue
		}
		file := n.at(name + ".tar")
		if err := one.archive(file); err != nil {
			return fmt.Errorf("image %s: %w", name, err)
		}
		if _, err := run("ctr", "--namespace", "k8s.io", "images", "import", file); err != nil {
			return err
		}
		_ = os.Remove(file)
	}
	return nil
}

// Imported gives an image from an archive, which has one, further names.
func (n *node) imported(archive string, names []string) error {
	said, err := run("ctr", "--namespace", "k8s.io", "images", "import", archive)
	if err != nil {
		return err
	}
	name, _, found := strings.Cut(strings.TrimPrefix(strings.TrimSpace(said), "unpacking "), " ")
	if !found {
		return fmt.Errorf("%s: an archive with one image was expected: %s", archive, said)
	}
	for _, more := range names {
		if _, err := run("ctr", "--namespace", "k8s.io", "images", "tag", name, more); err != nil {
			return err
		}
	}
	return nil
}

const cloudImage = "localhost/fake-cloud:one"
const providerImage = "localhost/csi-secrets-store-provider-alibabacloud"

// ChartImage is an image that the driver's chart names.
func (n *node) chartImage(value string) string {
	values, err := os.ReadFile(filepath.Join(n.driver, "charts/secrets-store-csi-driver/values.yaml"))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(values), "  "+value+":")
	word := func(key string) string {
		_, after, _ := strings.Cut(rest, key+": ")
		line, _, _ := strings.Cut(after, "\n")
		return line
	}
	return word("repository") + ":" + word("tag")
}

// Boot brings the node up from nothing.
func (n *node) boot() error {
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"machine", n.machine}, {"configuration", n.configure}, {"containerd", n.startContainerd},
		{"control plane", n.controlPlane}, {"fake cloud", n.startCloud}, {"images", n.images},
		{"kubelet", func() error {
			if err := n.startKubelet(); err != nil {
				return err
			}
			return n.ready()
		}},
	} {
		since := time.Now()
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		fmt.Printf("  %-14s %5.1f s\n", step.name, time.Since(since).Seconds())
	}
	n.watched = watch(n.client)
	return nil
}

// Ready waits for the node.
func (n *node) ready() error {
	err := until(2*time.Minute, func() error {
		found, err := n.client.CoreV1().Nodes().Get(context.Background(), nodeName, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, condition := range found.Status.Conditions {
			if condition.Type == "Ready" && condition.Status == "True" {
				return nil
			}
		}
		return errors.New("the node is not ready")
	})
	if err != nil {
		return fmt.Errorf("%w\n%s", err, n.tail("kubelet"))
	}
	return nil
}

func (n *node) tail(name string) string {
	log, _ := os.ReadFile(n.at(name + ".log"))
	return string(log[max(0, len(log)-3000):])
}

// Kubectl runs a command of kubectl.
func (n *node) kubectl(arguments ...string) (string, error) {
	return output(exec.Command(n.cluster(), append([]string{"kubectl", "--kubeconfig=" + n.at("admin.conf")}, arguments...)...))
}

// Apply applies manifests.
func (n *node) apply(text string) error {
	command := exec.Command(n.cluster(), "kubectl", "--kubeconfig="+n.at("admin.conf"), "apply", "--filename", "-")
	command.Stdin = strings.NewReader(text)
	_, err := output(command)
	return err
}

func until(most time.Duration, check func() error) error {
	end := time.Now().Add(most)
	for {
		err := check()
		if err == nil || time.Now().After(end) {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func write(file, text string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(text), 0o644)
}

func signingKey() (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalECPrivateKey(key)
	return string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})), err
}
