// Package mlog has the one function of its namesake that the driver's package needs to compile.
package mlog

import "log"

// Fatal logs and ends the process.
func Fatal(err error) { log.Fatal(err) }
