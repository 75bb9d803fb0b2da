// SPDX-License-Identifier: BSD-2-Clause

// Successor allocates 1,000 objects of 9,472 bytes, waits, allocates 60,000 of 512 bytes and executes itself at once. The second
// program allocates 3,000 objects of 2,048 bytes.
package main

import (
	"os"
	"runtime"
	"syscall"
	"time"
)

var sink []byte

//go:noinline
func early() { sink = make([]byte, 9000) }

//go:noinline
func late() { sink = make([]byte, 500) }

//go:noinline
func other() { sink = make([]byte, 2000) }

func main() {
	runtime.MemProfile(nil, false) // links the sampler in, as net/http/pprof does
	if len(os.Args) > 1 {
		for i := 0; i < 3000; i++ {
			other()
		}
		return
	}
	for i := 0; i < 1000; i++ {
		early()
	}
	time.Sleep(1500 * time.Millisecond) // counters are read now and then
	for i := 0; i < 60000; i++ {
		late()
	}
	syscall.Exec("/proc/self/exe", []string{"again", "x"}, os.Environ())
}
