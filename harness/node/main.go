// Command node boots a real Kubernetes node in namespaces of its own and runs cases on it. The same program is what
// runs in the images that no registry is asked for. See README.md.
package main

import (
	"fmt"
	"os"
)

var parts = map[string]func(arguments []string) error{
	// On the machine, as pid 1 of the namespaces, and inside them.
	"run":    outside,
	"init":   first,
	"inside": inside,
	// In images.
	"registrar":     registrar,
	"livenessprobe": livenessProbe,
	"kubectl":       onCRDs,
	"official":      officialProvider,
	"controls":      controls,
	"curl":          curl,
}

func main() {
	if len(os.Args) < 2 || parts[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: node run -tools DIRECTORY -provider BINARY -cloud BINARY -driver DIRECTORY [CASE…]")
		os.Exit(2)
	}
	if err := parts[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "node %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}
