// Package mlog has what the driver calls of its namesake.
package mlog

import (
	"context"
	"log"
)

// The formats of a log; this one has its own.
const (
	FormatText = "text"
	FormatJSON = "json"
)

// Fatal logs and ends the process.
func Fatal(err error) { log.Fatal(err) }

// Error logs.
func Error(message string, err error, _ ...any) { log.Printf("%s: %v", message, err) }

// Setup returns what to call at the end.
func Setup() func() { return func() {} }

// ValidateAndSetKlogLevelAndFormatGlobally leaves klog as it is.
func ValidateAndSetKlogLevelAndFormatGlobally[Level any](context.Context, Level, string) error { return nil }
