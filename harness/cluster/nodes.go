package main

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// NodesCommand plays the nodes: what is bound to one runs, becomes ready, and ends when it is to be deleted.
func nodesCommand() *cobra.Command {
	var kubeconfig string
	command := &cobra.Command{
		Use:  "nodes NAME…",
		Args: cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, names []string) error {
			config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
			if err != nil {
				return err
			}
			config.QPS = -1
			client, err := kubernetes.NewForConfig(config)
			if err != nil {
				return err
			}
			return play(command.Context(), client, names)
		},
	}
	command.Flags().StringVar(&kubeconfig, "kubeconfig", "", "how to reach the API server")
	return command
}

func play(ctx context.Context, client kubernetes.Interface, names []string) error {
	for _, name := range names {
		if err := join(ctx, client, name); err != nil {
			return err
		}
	}
	said := ""
	for {
		pods, err := client.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		ready := map[string]int{}
		for _, pod := range pods.Items {
			if pod.Spec.NodeName == "" {
				continue
			}
			step(ctx, client, &pod)
			if app := pod.Labels["app"]; pod.DeletionTimestamp == nil && isReady(&pod) {
				ready[pod.Spec.NodeName+"/"+app]++
			}
		}
		// One line whenever the ready pods of a node change.
		if line := counts(ready); line != said {
			fmt.Println(line)
			said = line
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// Join registers a node, and takes away the taint that admission gives to one whose kubelet has not spoken yet.
func join(ctx context.Context, client kubernetes.Interface, name string) error {
	amounts := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("4"), corev1.ResourceMemory: resource.MustParse("8Gi"),
		corev1.ResourcePods: resource.MustParse("110"), corev1.ResourceEphemeralStorage: resource.MustParse("50Gi"),
	}
	node, err := client.CoreV1().Nodes().Create(ctx, &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
			corev1.LabelHostname: name, corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64",
		}},
		Status: corev1.NodeStatus{
			Capacity: amounts, Allocatable: amounts,
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	node.Spec.Taints = nil
	_, err = client.CoreV1().Nodes().Update(ctx, node, metav1.UpdateOptions{})
	return err
}

// Step moves a pod on. Somebody else may be quicker: then the next turn sees what there is.
func step(ctx context.Context, client kubernetes.Interface, pod *corev1.Pod) {
	pods := client.CoreV1().Pods(pod.Namespace)
	if pod.DeletionTimestamp != nil {
		now := int64(0)
		_ = pods.Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now})
		return
	}
	if pod.Status.Phase != corev1.PodPending {
		return
	}
	now := metav1.Now()
	pod.Status.StartTime = &now
	pod.Status.Phase = corev1.PodRunning
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}}
	// A job's pod has done its work at once.
	if pod.Spec.RestartPolicy != corev1.RestartPolicyAlways {
		pod.Status.Phase = corev1.PodSucceeded
		running = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{StartedAt: now, FinishedAt: now}}
	}
	started := true
	for _, container := range pod.Spec.Containers {
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: container.Name, Image: container.Image, Ready: true, Started: &started, State: running,
		})
	}
	for _, condition := range []corev1.PodConditionType{corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady} {
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
			Type: condition, Status: corev1.ConditionTrue, LastTransitionTime: now,
		})
	}
	_, _ = pods.UpdateStatus(ctx, pod, metav1.UpdateOptions{})
}

func isReady(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

func counts(ready map[string]int) string {
	var words []string
	for name, count := range ready {
		words = append(words, fmt.Sprintf("%s=%d", name, count))
	}
	sort.Strings(words)
	return strings.Join(words, " ")
}
