package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

type testCase struct {
	name, says string
	run        func(*trial) (string, error)
}

// Inside boots the node and runs the cases.
func inside(arguments []string) error {
	s, err := parse(arguments)
	if err != nil {
		return err
	}
	var chosen []testCase
	for _, one := range cases {
		if len(s.cases) == 0 {
			chosen = append(chosen, one)
			continue
		}
		for _, word := range s.cases {
			if strings.Contains(one.name, word) {
				chosen = append(chosen, one)
				break
			}
		}
	}
	if len(chosen) == 0 {
		return fmt.Errorf("no case's name holds any of %q", s.cases)
	}
	since := time.Now()
	n := &node{settings: s, processes: map[string]*process{}}
	if err := n.boot(); err != nil {
		return err
	}
	if err := n.stageChart(); err != nil {
		return err
	}
	fmt.Printf("the node is ready after %.0f s\n", time.Since(since).Seconds())

	failed := 0
	for _, one := range chosen {
		began := time.Now()
		said, err := n.try(one)
		if err != nil {
			failed++
			fmt.Printf("FAILED %-16s %5.0f s  %s: %v\n", one.name, time.Since(began).Seconds(), said, err)
			continue
		}
		fmt.Printf("ok     %-16s %5.0f s  %s\n", one.name, time.Since(began).Seconds(), said)
	}
	fmt.Printf("%d cases, %d failed, %.1f minutes\n", len(chosen), failed, time.Since(since).Minutes())
	if failed > 0 {
		os.Exit(1)
	}
	return nil
}

func (n *node) try(one testCase) (string, error) {
	if !n.installed {
		if err := n.prepare(); err != nil {
			return "", err
		}
		if err := n.install(accessKeyPair); err != nil {
			return "installing", err
		}
		n.installed = true
	}
	t, err := n.newNamespace("case-" + one.name)
	if err != nil {
		return "", err
	}
	said, err := one.run(t)
	started, all, slowest, warnings := n.watched.starts(t.namespace)
	if said != "" {
		said += "; "
	}
	said += fmt.Sprintf("%d of %d pods started, slowest %.2f s, %s", started, all, slowest.Seconds(), warnings)
	if err != nil || n.verbose {
		messages := n.watched.messages(t.namespace, "")
		for _, event := range messages[max(0, len(messages)-20):] {
			fmt.Printf("    %s %s x%d: %s\n", event.InvolvedObject.Name, event.Reason, max(1, event.Count), event.Message)
		}
	}
	if ended := t.end(); err == nil {
		err = ended
	}
	return said, err
}
