package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

func lint(env *environment) (string, error) {
	values, err := files(filepath.Join(env.here, "values"))
	if err != nil {
		return "", err
	}
	arguments := []string{"lint", env.chart, "--strict", "--quiet", "--kube-version", kubeVersion}
	for _, file := range append([]string{""}, values...) {
		with := arguments
		if file != "" {
			with = append(append([]string{}, arguments...), "--values", file)
		}
		if out, err := exec.Command(env.helm, with...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %s", file, out)
		}
	}
	return fmt.Sprintf("%d runs", len(values)+1), nil
}

// Rendered renders each values file, decodes every document strictly, looks at the DaemonSet, and compares what is
// this chart's own with the snapshot.
func rendered(env *environment) (string, error) {
	decoded := 0
	values, err := env.eachOf("values", func(file string, _ settings, documents []document) error {
		for _, document := range documents {
			object, err := decode(document)
			if err != nil {
				return err
			}
			if daemonSet, is := object.(*appsv1.DaemonSet); is && strings.HasPrefix(document.source, own) {
				if err := sound(daemonSet); err != nil {
					return err
				}
			}
			decoded++
		}
		return env.same(filepath.Join(env.here, "snapshots", filepath.Base(file)), text(ownOf(documents)))
	})
	if err == nil && values < 20 {
		err = fmt.Errorf("%d values files; at least 20 are wanted", values)
	}
	return fmt.Sprintf("%d values files, %d manifests decoded, %d snapshots", values, decoded, values), err
}

// Text of documents for a snapshot. What is copied from files of the chart (dashboard, alerts) is left out.
func text(documents []document) string {
	var result strings.Builder
	for _, document := range documents {
		if strings.Contains(document.text, "-dashboard\n") || strings.Contains(document.text, "\nkind: PrometheusRule\n") {
			head, _, _ := strings.Cut(document.text, "\ndata:\n")
			head, _, _ = strings.Cut(head, "\nspec:\n")
			document.text = head + "\n# … a file of the chart\n"
		}
		fmt.Fprintf(&result, "---\n%s", document.text)
	}
	return result.String()
}

// Sound is what holds for every DaemonSet, whatever the values.
func sound(daemonSet *appsv1.DaemonSet) error {
	spec := daemonSet.Spec.Template.Spec
	var problems []error
	wrong := func(format string, arguments ...any) {
		problems = append(problems, fmt.Errorf(format, arguments...))
	}
	for key, value := range daemonSet.Spec.Selector.MatchLabels {
		if daemonSet.Spec.Template.Labels[key] != value {
			wrong("the selector %s=%s does not match the pods", key, value)
		}
	}
	rolling := daemonSet.Spec.UpdateStrategy.RollingUpdate
	if spec.HostNetwork && rolling != nil && rolling.MaxSurge != nil && rolling.MaxSurge.String() != "0" {
		wrong("a surge with the node's network: two pods would want one port")
	}
	if spec.HostNetwork != (spec.DNSPolicy == corev1.DNSClusterFirstWithHostNet) {
		wrong("hostNetwork is %v and dnsPolicy %s", spec.HostNetwork, spec.DNSPolicy)
	}
	volumes := map[string]bool{}
	for _, volume := range spec.Volumes {
		if volumes[volume.Name] {
			wrong("two volumes %s", volume.Name)
		}
		volumes[volume.Name] = true
		if path := volume.HostPath; path != nil && strings.Contains(path.Path, "kubelet") {
			wrong("volume %s shows the provider kubelet's directory %s", volume.Name, path.Path)
		}
	}
	for _, container := range append(append([]corev1.Container{}, spec.InitContainers...), spec.Containers...) {
		problems = append(problems, confined(container), mounted(container, volumes))
		if container.TerminationMessagePolicy != corev1.TerminationMessageFallbackToLogsOnError {
			wrong("kubectl describe pod does not show why %s ended", container.Name)
		}
	}
	container := spec.Containers[0]
	if container.LivenessProbe == nil || container.ReadinessProbe == nil || container.StartupProbe == nil {
		wrong("a probe is missing")
	}
	for _, port := range container.Ports {
		if (port.HostPort == port.ContainerPort) != spec.HostNetwork {
			wrong("hostNetwork is %v and hostPort %d", spec.HostNetwork, port.HostPort)
		}
	}
	return errors.Join(problems...)
}

func confined(container corev1.Container) error {
	context := container.SecurityContext
	if context == nil || context.Capabilities == nil || context.SeccompProfile == nil {
		return fmt.Errorf("%s is not confined", container.Name)
	}
	isYes := func(switched *bool) bool { return switched != nil && *switched }
	isNo := func(switched *bool) bool { return switched != nil && !*switched }
	dropped, added := context.Capabilities.Drop, context.Capabilities.Add
	mayAdd := len(added) == 0 || container.Name == "prepare-dir" && len(added) == 1 && added[0] == "CHOWN"
	if !isNo(context.AllowPrivilegeEscalation) || !isNo(context.Privileged) || !isYes(context.ReadOnlyRootFilesystem) ||
		len(dropped) != 1 || dropped[0] != "ALL" || !mayAdd ||
		context.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		return fmt.Errorf("%s may do more than it needs: %+v", container.Name, context)
	}
	return nil
}

func mounted(container corev1.Container, volumes map[string]bool) error {
	at := map[string]bool{}
	for _, mount := range container.VolumeMounts {
		if !volumes[mount.Name] {
			return fmt.Errorf("%s mounts the volume %s, which there is not", container.Name, mount.Name)
		}
		if at[mount.MountPath] {
			return fmt.Errorf("%s mounts two volumes at %s", container.Name, mount.MountPath)
		}
		at[mount.MountPath] = true
	}
	return nil
}

func versions(env *environment) (string, error) {
	kubes := []string{"1.30.0", "1.31.0", "1.32.0", "1.33.0", "1.34.0", "1.35.0"}
	for _, kube := range kubes {
		file := filepath.Join(env.here, "values", "default.yaml")
		with, err := env.settingsOf(file)
		if err != nil {
			return "", err
		}
		with.kube = kube
		documents, err := env.template(file, with)
		if err != nil {
			return "", fmt.Errorf("Kubernetes %s: %w", kube, err)
		}
		for _, document := range documents {
			if _, err := decode(document); err != nil {
				return "", fmt.Errorf("Kubernetes %s: %w", kube, err)
			}
		}
	}
	return strings.Join(kubes, ", "), nil
}

var helpFlag = regexp.MustCompile(`(?m)^ +--([a-z-]+)`)

// KnownFlags holds every argument of every snapshot against the help of the binary.
func knownFlags(env *environment) (string, error) {
	help, err := exec.Command(env.provider, "--help").Output()
	if err != nil {
		return "", fmt.Errorf("%s --help: %w", env.provider, err)
	}
	known := map[string]bool{}
	for _, found := range helpFlag.FindAllStringSubmatch(string(help), -1) {
		known[found[1]] = true
	}
	used := map[string]bool{}
	_, err = env.eachOf("values", func(_ string, _ settings, documents []document) error {
		daemonSet, err := daemonSetOf(documents)
		if err != nil || daemonSet == nil {
			return err
		}
		for _, argument := range daemonSet.Spec.Template.Spec.Containers[0].Args {
			name, _, _ := strings.Cut(strings.TrimLeft(argument, "-"), "=")
			if !known[name] {
				return fmt.Errorf("%s is no flag of the provider", argument)
			}
			used[name] = true
		}
		if err := env.prepares(daemonSet.Spec.Template.Spec.InitContainers); err != nil {
			return err
		}
		return env.starts(daemonSet, documents)
	})
	if err != nil {
		return "", err
	}
	// A flag without a value of its own can be given by linux.extraArgs.
	others := ""
	for name := range known {
		if !used[name] && name != "help" && name != "version" {
			others += "; by linux.extraArgs only: --" + name
		}
	}
	return fmt.Sprintf("%d flags%s", len(used), others), nil
}

// What Secrets hold, as far as the provider looks at its form before anything else.
var plausible = map[string]string{
	"ACCESS_KEY_ID":                    "LTAI5tExampleKeyId000000",
	"SECRET_ACCESS_KEY":                "ExampleSecret",
	"ALICLOUD_ROLE_ARN":                "acs:ram::1234567890123456:role/reader",
	"ALICLOUD_OIDC_PROVIDER_ARN":       "acs:ram::1234567890123456:oidc-provider/ack-rrsa-c1",
	"ALICLOUD_OIDC_TOKEN_FILE":         "/var/run/secrets/tokens/csi-secrets-store-provider-alibabacloud",
	"ALICLOUD_ROLE_SESSION_NAME":       "session",
	"ALICLOUD_ROLE_SESSION_EXPIRATION": "3600",
}

// Starts runs the provider with a container's arguments, variables and ConfigMaps, but a directory that does not exist:
// it must get past its configuration (exit code 2 otherwise) and end for want of the directory.
func (env *environment) starts(daemonSet *appsv1.DaemonSet, documents []document) error {
	spec := daemonSet.Spec.Template.Spec
	container := spec.Containers[0]
	place, err := os.MkdirTemp("", "chartcheck")
	if err != nil {
		return err
	}
	defer os.RemoveAll(place)
	arguments := append(append([]string{}, container.Args...), "--provider-volume=/does/not/exist", "--healthz-port=0")
	for _, mount := range container.VolumeMounts {
		data, found := contentsOf(spec.Volumes, mount.Name, documents)
		if !found {
			continue
		}
		directory := filepath.Join(place, mount.MountPath)
		if err := os.MkdirAll(directory, 0o755); err != nil {
			return err
		}
		for key, content := range data {
			if err := os.WriteFile(filepath.Join(directory, key), []byte(content), 0o644); err != nil {
				return err
			}
		}
		for i, argument := range arguments {
			arguments[i] = strings.ReplaceAll(argument, "="+mount.MountPath, "="+directory)
		}
	}
	command := exec.Command(env.provider, arguments...)
	command.Env = []string{}
	for _, variable := range container.Env {
		value := variable.Value
		if variable.ValueFrom != nil {
			value = plausible[variable.Name]
		}
		if strings.HasPrefix(value, "/etc/provider/") {
			value = filepath.Join(place, value)
		}
		command.Env = append(command.Env, variable.Name+"="+value)
	}
	out, err := command.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 && strings.Contains(string(out), "/does/not/exist") {
		return nil
	}
	return fmt.Errorf("the provider does not take %v: %v: %s", arguments, err, out)
}

// ContentsOf is what a volume of a ConfigMap or Secret shows: as rendered, else something plausible of its own.
func contentsOf(volumes []corev1.Volume, name string, documents []document) (map[string]string, bool) {
	volume := volumeOf(volumes, name)
	if volume.Secret != nil {
		return map[string]string{"id": plausible["ACCESS_KEY_ID"], "secret": plausible["SECRET_ACCESS_KEY"]}, true
	}
	if volume.ConfigMap == nil {
		return nil, false
	}
	for _, document := range ownOf(documents) {
		object, err := decode(document)
		if configMap, is := object.(*corev1.ConfigMap); err == nil && is && configMap.Name == volume.ConfigMap.Name {
			return configMap.Data, true
		}
	}
	return map[string]string{"ca.pem": certificate(), "ca.crt": certificate()}, true
}

// Certificate is an authority's own, as PEM.
func certificate() string {
	_, text := authority()
	return text
}

// Authority is a certificate that vouches for itself, for hosts of these names, and it as PEM.
func authority(names ...string) (tls.Certificate, string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "An authority"}, IsCA: true, DNSNames: names,
		BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, text
}

// Prepares runs what the init container runs, over a directory of our own as root's: it must go well.
func (env *environment) prepares(containers []corev1.Container) error {
	for _, container := range containers {
		place, err := os.MkdirTemp("", "chartcheck")
		if err != nil {
			return err
		}
		defer os.RemoveAll(place)
		var arguments []string
		for _, argument := range container.Args {
			for _, mount := range container.VolumeMounts {
				if err := os.MkdirAll(filepath.Join(place, mount.MountPath), 0o755); err != nil {
					return err
				}
				argument = strings.ReplaceAll(argument, mount.MountPath, filepath.Join(place, mount.MountPath))
			}
			arguments = append(arguments, argument)
		}
		if out, err := exec.Command(env.provider, arguments...).CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w: %s", arguments, err, out)
		}
	}
	return nil
}

// Refused renders each file of refused/, which must fail with the text of its first line.
func refused(env *environment) (string, error) {
	values, err := files(filepath.Join(env.here, "refused"))
	if err != nil {
		return "", err
	}
	for _, file := range values {
		content, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		first, _, _ := bytes.Cut(content, []byte("\n"))
		message, found := strings.CutPrefix(string(first), "# ")
		if !found {
			return "", fmt.Errorf("%s: the first line must be the message", file)
		}
		with, err := env.settingsOf(file)
		if err != nil {
			return "", err
		}
		_, err = env.template(file, with)
		if err == nil {
			return "", fmt.Errorf("%s was rendered", file)
		}
		if !strings.Contains(strings.Join(strings.Fields(err.Error()), " "), message) {
			return "", fmt.Errorf("%s: expected %q, got: %w", file, message, err)
		}
	}
	return fmt.Sprintf("%d", len(values)), nil
}

var (
	helmLabel = regexp.MustCompile(`(?m)^ *(helm\.sh/chart|app\.kubernetes\.io/managed-by): .*\n`)
	emptyLine = regexp.MustCompile(`(?m)^ *#.*\n`)
)

// Static renders deploy/ from the values files beside this program.
func static(env *environment) (string, error) {
	count, err := env.eachOf("deploy", func(file string, _ settings, documents []document) error {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var result strings.Builder
		for _, line := range strings.Split(string(content), "\n") {
			if !strings.HasPrefix(line, "#") {
				break
			}
			fmt.Fprintln(&result, line)
		}
		fmt.Fprintf(&result, "# Generated from the chart by `just chart-update`.\n")
		for _, document := range ownOf(documents) {
			manifest := emptyLine.ReplaceAllString(helmLabel.ReplaceAllString(document.text, ""), "")
			fmt.Fprintf(&result, "---\n%s", manifest)
		}
		return env.same(filepath.Join(env.deploy, filepath.Base(file)), result.String())
	})
	return fmt.Sprintf("%d files", count), err
}
