// SPDX-License-Identifier: BSD-2-Clause

// Rhythm allocates with a strict period, so that taking every nth object, byte or span as a sample gives wrong shares
// of the sites. Its argument is the number of periods. A line that ends in `// want N` allocates N objects
// per period.
package main

import (
	"os"
	"runtime"
	"strconv"
)

var (
	a, b *[64]byte
	c    *[1024]byte
	d    [3]*[4]*int
	e    []byte
)

// This use links the runtime's sampler in and keeps it on, as in programs that serve net/http/pprof.
var profile = runtime.MemProfile

//go:noinline
func period() {
	a = new([64]byte)   // want 1
	b = new([64]byte)   // want 1
	c = new([1024]byte) // want 1
	for i := range d {
		d[i] = new([4]*int) // want 3
	}
}

//go:noinline
func seldom() {
	e = make([]byte, 40000) // want 1/64
}

func main() {
	periods, _ := strconv.Atoi(os.Args[1])
	for i := 0; i < periods; i++ {
		period()
		if i%64 == 0 {
			seldom()
		}
	}
	if profile == nil {
		os.Exit(1)
	}
}
