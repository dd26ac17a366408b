package main

import (
	"fmt"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// Kinds that may be rendered, each with the type that it must decode into without a field left over.
var kinds = map[string]func() any{
	"v1/ConfigMap":                                     func() any { return new(corev1.ConfigMap) },
	"v1/Service":                                       func() any { return new(corev1.Service) },
	"v1/ServiceAccount":                                func() any { return new(corev1.ServiceAccount) },
	"apps/v1/DaemonSet":                                func() any { return new(appsv1.DaemonSet) },
	"batch/v1/Job":                                     func() any { return new(batchv1.Job) },
	"networking.k8s.io/v1/NetworkPolicy":               func() any { return new(networkingv1.NetworkPolicy) },
	"rbac.authorization.k8s.io/v1/ClusterRole":         func() any { return new(rbacv1.ClusterRole) },
	"rbac.authorization.k8s.io/v1/ClusterRoleBinding":  func() any { return new(rbacv1.ClusterRoleBinding) },
	"storage.k8s.io/v1/CSIDriver":                      func() any { return new(storagev1.CSIDriver) },
	"apiextensions.k8s.io/v1/CustomResourceDefinition": func() any { return new(apiextensionsv1.CustomResourceDefinition) },
	"monitoring.coreos.com/v1/PodMonitor":              func() any { return new(monitoringv1.PodMonitor) },
	"monitoring.coreos.com/v1/ServiceMonitor":          func() any { return new(monitoringv1.ServiceMonitor) },
	"monitoring.coreos.com/v1/PrometheusRule":          func() any { return new(monitoringv1.PrometheusRule) },
}

// Decode reads a manifest into its API type; unknown and repeated fields are errors.
func decode(document document) (any, error) {
	var head v1.TypeMeta
	if err := yaml.Unmarshal([]byte(document.text), &head); err != nil {
		return nil, fmt.Errorf("%s: %w", document.source, err)
	}
	kind := head.APIVersion + "/" + head.Kind
	make, known := kinds[kind]
	if !known {
		return nil, fmt.Errorf("%s: nobody told chartcheck of %s", document.source, kind)
	}
	object := make()
	if err := yaml.UnmarshalStrict([]byte(document.text), object); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", document.source, kind, err)
	}
	return object, nil
}

// DaemonSetOf is the provider's DaemonSet among the documents; nil if there is none.
func daemonSetOf(documents []document) (*appsv1.DaemonSet, error) {
	for _, document := range ownOf(documents) {
		object, err := decode(document)
		if err != nil {
			return nil, err
		}
		if daemonSet, is := object.(*appsv1.DaemonSet); is {
			return daemonSet, nil
		}
	}
	return nil, nil
}
