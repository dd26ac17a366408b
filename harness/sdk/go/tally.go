package main

import "fmt"

type counts struct{ success, failure int }

// tally counts successes and errors by subject, and collects what was not as expected.
type tally struct {
	title    string
	least    int
	subjects []string
	passed   map[string]*counts
	failures []string
}

func (t *tally) of(subject string) *counts {
	if t.passed == nil {
		t.passed = map[string]*counts{}
	}
	if t.passed[subject] == nil {
		t.passed[subject] = &counts{}
		t.subjects = append(t.subjects, subject)
	}
	return t.passed[subject]
}

func (t *tally) fail(subject, what string, problem any) {
	t.of(subject)
	text := fmt.Sprintf("%s: %s: %v", subject, what, problem)
	if len(text) > 500 {
		text = text[:500]
	}
	t.failures = append(t.failures, text)
}

func (t *tally) succeeds(subject, what string, act func() (any, error), good func(any) bool) any {
	value, err := guarded(act)
	if err != nil {
		t.fail(subject, what, err)
		return nil
	}
	if !good(value) {
		t.fail(subject, what, fmt.Sprintf("read %v", value))
		return nil
	}
	t.of(subject).success++
	return value
}

// fails takes a check that says what is wrong with the error, or nothing.
func (t *tally) fails(subject, what string, act func() (any, error), check func(error) string) {
	value, err := guarded(act)
	if err == nil {
		t.fail(subject, what, fmt.Sprintf("no error, but %v", value))
		return
	}
	if problem := check(err); problem != "" {
		t.fail(subject, what, fmt.Sprintf("%s (%v)", problem, err))
		return
	}
	t.of(subject).failure++
}

func guarded(act func() (any, error)) (value any, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("PANIC: %v", panicked)
		}
	}()
	return act()
}

func (t *tally) report() bool {
	fmt.Printf("%s:\n", t.title)
	total := 0
	for _, subject := range t.subjects {
		c := t.passed[subject]
		fmt.Printf("  %-46s %3d successes %3d errors\n", subject, c.success, c.failure)
		total += c.success + c.failure
		if c.failure < t.least || (t.least > 0 && c.success == 0) {
			t.failures = append(t.failures, subject+": too few cases")
		}
	}
	for _, failure := range t.failures {
		fmt.Println("  FAILED", failure)
	}
	fmt.Printf("  %d cases passed, %d failed\n", total, len(t.failures))
	return len(t.failures) == 0
}
