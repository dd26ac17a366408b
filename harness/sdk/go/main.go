// The official Go SDKs, unmodified and in the versions that the official provider links, against the fake cloud.
// Run by ../run.sh: the real cloud's names lead to the fake one.
package main

import (
	"fmt"
	"os"
)

func main() {
	passed := true
	for _, part := range []func(*tally){operations, identities, recorded} {
		t := &tally{}
		part(t)
		passed = t.report() && passed
	}
	if !passed {
		os.Exit(1)
	}
}

// must ends the run: something around the tests is broken, not what they test.
func must[T any](value T, err error) T {
	if err != nil {
		fmt.Println("broken:", err)
		os.Exit(1)
	}
	return value
}
