// Command interop asks a running provider as the Secrets Store CSI Driver does, with the driver's own code, and as
// other grpc-go clients may. It is started by the harness program `stage`, which says in the environment where
// everything is. It prints a line per case and a count, and fails if a case fails.
package main

import (
	"fmt"
	"os"
	"strings"
)

// A case passes if its function returns no error.
type testCase struct {
	name string
	run  func(*stage) error
}

func main() {
	world, err := newStage()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	passed, failed := 0, 0
	for _, group := range [][]testCase{driverCases, grpcCases, restartCases} {
		for _, each := range group {
			if len(os.Args) > 1 && !strings.Contains(each.name, os.Args[1]) {
				continue
			}
			if err := each.run(world); err != nil {
				failed++
				fmt.Printf("FAIL %s: %v\n", each.name, err)
			} else {
				passed++
				fmt.Printf("ok   %s\n", each.name)
			}
		}
	}
	fmt.Printf("grpc-go and the driver's client: %d passed, %d failed\n", passed, failed)
	if failed > 0 || passed == 0 {
		os.Exit(1)
	}
}
