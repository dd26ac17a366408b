// Stands in for a logging module that the driver's package names and the module proxy does not always serve. Only the
// driver's own CSI server calls it, which these tests never start.
module monis.app/mlog

go 1.25
