// SPDX-License-Identifier: BSD-2-Clause

// Sizes allocates objects of two sizes on one line: 3,000 of 9,216 bytes and 24,000 of 32. Other lines allocate 3,000
// objects of 64 bytes without pointers, and 3,000 tiny ones.
package main

import "runtime"

var keep [64][]*int
var sink []*int
var bytes [16][]byte
var tiny *int32

//go:noinline
func mixed(n int) []*int { return make([]*int, n) }

//go:noinline
func plain(i int) { bytes[i%16] = make([]byte, 64) }

func main() {
	runtime.MemProfile(nil, false) // links the sampler in, as net/http/pprof does
	for i := 0; i < 3000; i++ {
		keep[i%64] = mixed(1152)
		for j := 0; j < 8; j++ {
			sink = mixed(4)
		}
		plain(i)
		tiny = new(int32)
	}
}
