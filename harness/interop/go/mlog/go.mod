// Stands in for a logging module that the driver names and the module proxy does not always serve: as little of it as
// the driver calls.
module monis.app/mlog

go 1.25
