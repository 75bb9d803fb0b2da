// SPDX-License-Identifier: BSD-2-Clause

//go:build memprofile

package main

import "runtime"

// This reference makes the linker keep the runtime's sampler on, as in programs that serve net/http/pprof.
var _ = runtime.MemProfile

func init() {
	if len(profileRecords) > 0 {
		runtime.MemProfile(profileRecords, true)
	}
}

var profileRecords []runtime.MemProfileRecord
