// Command chartcheck renders the chart over every values file of this directory and holds the result against
// snapshots, against the Kubernetes API's own types, against what the official chart makes of the same values, and
// against the flags that the provider knows.
package main

import (
	"flag"
	"fmt"
	"os"
)

// Check is one thing that must hold; it returns what it counted, for the last line of its output.
type check struct {
	name string
	run  func(*environment) (string, error)
}

// Environment is what the checks work with.
type environment struct {
	helm     string // the helm binary
	promtool string // the promtool binary
	chart    string // the chart, with the driver's chart beside it
	here     string // this directory
	deploy   string // the static manifests
	provider string // the provider's binary
	cluster  string // the binary of harness/cluster; with it, only what needs an API server is checked
	crds     string // directory of the Prometheus operator's CRDs, for that
	released string // a released chart in a registry on loopback; with it, only that is installed on the cluster
	update   bool   // write snapshots and static manifests instead of comparing
}

func main() {
	env := &environment{}
	flag.StringVar(&env.helm, "helm", "helm", "the helm binary")
	flag.StringVar(&env.promtool, "promtool", "promtool", "the promtool binary")
	flag.StringVar(&env.chart, "chart", "", "the chart's directory, with its dependency in charts/")
	flag.StringVar(&env.here, "here", ".", "directory of values/, refused/, snapshots/ and official/")
	flag.StringVar(&env.deploy, "deploy", "", "directory of the static manifests")
	flag.StringVar(&env.provider, "provider", "", "the provider's binary")
	flag.StringVar(&env.cluster, "cluster", "", "the binary of harness/cluster: checks what needs an API server, and nothing else")
	flag.StringVar(&env.crds, "crds", "", "directory of the Prometheus operator's CRDs, with -cluster")
	flag.StringVar(&env.released, "released", "", "a released chart, oci://127.0.0.1:PORT/…:VERSION, with -cluster: installs it, and checks nothing else")
	flag.BoolVar(&env.update, "update", false, "write snapshots and static manifests")
	flag.Parse()
	checks := func() error { return run(env, offline) }
	if env.cluster != "" {
		checks = func() error { return onCluster(env) }
	}
	if err := checks(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// Offline is what needs no cluster.
var offline = []check{
	{"lint", lint},
	{"values files render, decode strictly and equal their snapshots", rendered},
	{"every supported Kubernetes version", versions},
	{"the provider knows every flag", knownFlags},
	{"wrong values are refused with what to do", refused},
	{"official values give an equivalent DaemonSet", equivalent},
	{"helm fetches the driver's chart as Chart.lock says", dependency},
	{"values in the documentation render", documented},
	{"static manifests are the chart's", static},
	{"alerts and dashboard are well-formed", monitoring},
	{"each alert fires when it should, and only then", alertsFire},
}

// Run runs checks one after the other, whatever fails.
func run(env *environment, checks []check) error {
	failed := 0
	for _, check := range checks {
		count, err := check.run(env)
		if err != nil {
			failed++
			fmt.Printf("FAILED %s: %v\n", check.name, err)
			continue
		}
		fmt.Printf("ok     %s: %s\n", check.name, count)
	}
	if failed > 0 {
		return fmt.Errorf("%d checks failed", failed)
	}
	return nil
}
