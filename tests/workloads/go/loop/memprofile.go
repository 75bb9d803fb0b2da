// SPDX-License-Identifier: BSD-2-Clause

//go:build memprofile

package main

import "runtime"

// This reference makes the linker keep the runtime's sampler on, as in programs that serve net/http/pprof.
func init() {
	runtime.MemProfile(nil, true)
}
