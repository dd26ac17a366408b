package main

import (
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// Watched is when each pod was made and when it ran, and the warnings that there were.
type watched struct {
	mutex    sync.Mutex
	pods     map[types.UID]*seen
	warnings map[types.UID]*corev1.Event
}

type seen struct {
	pod                *corev1.Pod
	made, ran, deleted time.Time
}

func watch(client kubernetes.Interface) *watched {
	w := &watched{pods: map[types.UID]*seen{}, warnings: map[types.UID]*corev1.Event{}}
	factory := informers.NewSharedInformerFactory(client, 0)
	pods := factory.Core().V1().Pods().Informer()
	_, _ = pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { w.pod(object.(*corev1.Pod)) },
		UpdateFunc: func(_, object any) { w.pod(object.(*corev1.Pod)) },
		DeleteFunc: func(object any) {
			if pod, is := object.(*corev1.Pod); is {
				w.mutex.Lock()
				defer w.mutex.Unlock()
				if one := w.pods[pod.UID]; one != nil {
					one.deleted = time.Now()
				}
			}
		},
	})
	events := factory.Core().V1().Events().Informer()
	event := func(object any) {
		event := object.(*corev1.Event)
		if event.Type == corev1.EventTypeWarning {
			w.mutex.Lock()
			defer w.mutex.Unlock()
			w.warnings[event.UID] = event
		}
	}
	_, _ = events.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: event, UpdateFunc: func(_, object any) { event(object) }})
	factory.Start(make(chan struct{}))
	factory.WaitForCacheSync(make(chan struct{}))
	return w
}

func (w *watched) pod(pod *corev1.Pod) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	one := w.pods[pod.UID]
	if one == nil {
		one = &seen{made: time.Now()}
		w.pods[pod.UID] = one
	}
	one.pod = pod
	if one.ran.IsZero() && isReady(pod) {
		one.ran = time.Now()
	}
}

func isReady(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// In are the pods ever seen in a namespace.
func (w *watched) in(namespace string) []*seen {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	var found []*seen
	for _, one := range w.pods {
		if one.pod.Namespace == namespace {
			copied := *one
			found = append(found, &copied)
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].made.Before(found[j].made) })
	return found
}

// Messages are the warnings about a namespace's objects of one name, all without a name; the newest last.
func (w *watched) messages(namespace, name string) []*corev1.Event {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	var found []*corev1.Event
	for _, event := range w.warnings {
		if event.InvolvedObject.Namespace == namespace && (name == "" || event.InvolvedObject.Name == name) {
			found = append(found, event)
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].LastTimestamp.Before(&found[j].LastTimestamp) })
	return found
}

// Starts is how the pods of a namespace started: how many, the slowest, the warnings by their reasons.
func (w *watched) starts(namespace string) (started, all int, slowest time.Duration, warnings string) {
	for _, one := range w.in(namespace) {
		all++
		if !one.ran.IsZero() {
			started++
			slowest = max(slowest, one.ran.Sub(one.made))
		}
	}
	counts, total := map[string]int{}, 0
	for _, event := range w.messages(namespace, "") {
		counts[event.Reason] += max(1, int(event.Count))
		total += max(1, int(event.Count))
	}
	var reasons []string
	for reason, count := range counts {
		reasons = append(reasons, fmt.Sprintf("%s %d", reason, count))
	}
	sort.Strings(reasons)
	warnings = fmt.Sprintf("%d warnings", total)
	if total > 0 {
		warnings += " (" + strings.Join(reasons, ", ") + ")"
	}
	return started, all, slowest, warnings
}
