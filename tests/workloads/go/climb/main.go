// SPDX-License-Identifier: BSD-2-Clause

// Climb waits for a byte on its standard input. Then it keeps all that it allocates: MiB by MiB, so many in a second, up to
// a maximum; and waits for the end of its input.
//
//	climb MIB_PER_SECOND MAXIMUM_MIB
package main

import (
	"io"
	"os"
	"runtime/pprof"
	"strconv"
	"time"
)

var held [][]byte

//go:noinline
func climb() {
	block := make([]byte, 1<<20)
	for i := range block {
		block[i] = 1
	}
	held = append(held, block)
}

func main() {
	_ = pprof.Lookup("heap") // keeps the sampler linked in
	rate, _ := strconv.Atoi(os.Args[1])
	most, _ := strconv.Atoi(os.Args[2])
	os.Stdin.Read(make([]byte, 1))
	for start := time.Now(); len(held) < most; climb() {
		due := time.Duration(len(held)) * time.Second / time.Duration(rate)
		time.Sleep(due - time.Since(start))
	}
	io.Copy(io.Discard, os.Stdin)
}
