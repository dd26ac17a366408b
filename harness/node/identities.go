package main

import (
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Ways to be somebody, each as a values file has it.
const (
	providerRRSA = `
rrsa: { enable: true }
envVarsFromSecret:
  ALICLOUD_ROLE_ARN: { secretKeyRef: alibaba-credentials, key: rolearn }
  ALICLOUD_OIDC_PROVIDER_ARN: { secretKeyRef: alibaba-credentials, key: oidcproviderarn }
`
	podRRSA = `
envVarsFromSecret:
  ALICLOUD_OIDC_PROVIDER_ARN: { secretKeyRef: alibaba-credentials, key: oidcproviderarn }
`
	keyWithRole = accessKeyPair + `  ALICLOUD_ROLE_ARN: { secretKeyRef: alibaba-credentials, key: adminrolearn }
`
	credentialFiles = "credentialsSecret: alibaba-credentials\n"
	workerRole      = "{}"
)

func identities(t *trial) (string, error) {
	if err := t.class("both", both, nil); err != nil {
		return "", err
	}
	for _, one := range []struct{ name, values, principal string }{
		{"access-key", accessKeyPair, "user/csi-provider"},
		{"key-with-role", keyWithRole, "assumed-role/adminrole/"},
		{"credential-files", credentialFiles, "user/csi-provider"},
		{"provider-rrsa", providerRRSA, "assumed-role/demo-role-for-rrsa/"},
		{"worker-role", workerRole, "assumed-role/worker-role/"},
	} {
		if err := t.install(one.values); err != nil {
			return "", fmt.Errorf("%s: %w", one.name, err)
		}
		if _, err := t.ask("DELETE", "/requests", ""); err != nil {
			return "", err
		}
		if err := t.started(one.name, "both"); err != nil {
			return "", fmt.Errorf("%s: %w", one.name, err)
		}
		if err := errors.Join(t.says(one.name, "cat /secrets/test", "hello from OOS"), t.asked(one.principal)); err != nil {
			return "", fmt.Errorf("%s: %w", one.name, err)
		}
	}
	if err := t.nodePublishSecret(); err != nil {
		return "", fmt.Errorf("node publish secret: %w", err)
	}
	return "5 of the provider and nodePublishSecretRef", t.install(accessKeyPair)
}

// NodePublishSecret reads as the operator, whose pair no provider has.
func (t *trial) nodePublishSecret() error {
	_, err := t.client.CoreV1().Secrets(t.namespace).Create(background, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "pair"},
		StringData: map[string]string{"access_key": "LTAI5tFakeCloudOperator1", "access_secret": "FakeCloudOperatorSecret000001"},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	if _, err := t.ask("DELETE", "/requests", ""); err != nil {
		return err
	}
	if err := t.started("node-publish", "both", func(pod *corev1.Pod) {
		pod.Spec.Volumes[0].CSI.NodePublishSecretRef = &corev1.LocalObjectReference{Name: "pair"}
	}); err != nil {
		return err
	}
	return errors.Join(t.says("node-publish", "cat /secrets/test-kms", "hello from KMS"), t.asked("user/operator"))
}

// PodIdentity reads with the role of the pod's ServiceAccount, by the token that kubelet gives, at both places where
// Kubernetes can put it.
func podIdentity(t *trial) (string, error) {
	pods, err := t.newNamespace("rrsa-demo")
	if err != nil {
		return "", err
	}
	defer func() { _ = pods.end() }()
	for name, role := range map[string]string{"demo-sa": "demo-role-for-rrsa", "other-sa": "other-role-for-rrsa"} {
		_, err := t.client.CoreV1().ServiceAccounts(pods.namespace).Create(background, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
			Name: name, Annotations: map[string]string{"ack.alibabacloud.com/role-arn": "acs:ram::1234567890120000:role/" + role},
		}}, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return "", err
		}
	}
	more := map[string]any{"parameters": map[string]any{"usePodServiceAccountToken": "true"}}
	if err := errors.Join(pods.class("both", both, more), pods.class("team-b", "- objectName: \"team-b\"\n", more), t.install(podRRSA)); err != nil {
		return "", err
	}
	as := func(account string) func(*corev1.Pod) {
		return func(pod *corev1.Pod) { pod.Spec.ServiceAccountName = account }
	}
	for _, inSecrets := range []string{"false", "true"} {
		patch := fmt.Sprintf(`{"spec":{"serviceAccountTokenInSecrets":%s}}`, inSecrets)
		if _, err := t.client.StorageV1().CSIDrivers().Patch(background, "secrets-store.csi.k8s.io", types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
			return "", err
		}
		if _, err := t.ask("DELETE", "/requests", ""); err != nil {
			return "", err
		}
		demo, other := "demo-"+inSecrets, "other-"+inSecrets
		if err := errors.Join(
			pods.started(demo, "both", as("demo-sa")),
			pods.says(demo, "cat /secrets/test-kms", "hello from KMS"),
			t.asked("assumed-role/demo-role-for-rrsa/"),
			pods.started(other, "team-b", as("other-sa")),
			pods.says(other, "cat /secrets/team-b", "a secret of team B"),
			t.asked("assumed-role/other-role-for-rrsa/"),
		); err != nil {
			return "", fmt.Errorf("tokens in secrets %s: %w", inSecrets, err)
		}
	}
	// A role that may not read this.
	pod := newPod("refused", "both")
	pod.Spec.ServiceAccountName = "other-sa"
	if err := errors.Join(pods.create(pod), pods.event("refused", "PermissionDenied", "test-kms")); err != nil {
		return "", err
	}
	patch := `{"spec":{"serviceAccountTokenInSecrets":null}}`
	if _, err := t.client.StorageV1().CSIDrivers().Patch(background, "secrets-store.csi.k8s.io", types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		return "", err
	}
	started, all, slowest, warnings := t.watched.starts(pods.namespace)
	return fmt.Sprintf("in attributes and in secrets: %d of %d pods (one is refused on purpose), slowest %.2f s, %s", started, all, slowest.Seconds(), warnings), t.install(accessKeyPair)
}
