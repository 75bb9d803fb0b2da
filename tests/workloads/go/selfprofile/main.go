// SPDX-License-Identifier: BSD-2-Clause

// Selfprofile writes its own allocs profile, in which every allocation is sampled, to the file that its argument names.
package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
)

type tree struct {
	left, right *tree
	key         [4]int
}

var (
	sinkTree   *tree
	sinkTriple [][3]int
	sinkBytes  []byte
	sinkString string
)

//go:noinline
func grow() {
	sinkTriple = nil
	for i := 0; i < 100; i++ {
		sinkTriple = append(sinkTriple, [3]int{i})
	}
}

//go:noinline
func leaf() *tree { return &tree{} }

func inlined() *tree { return &tree{left: sinkTree} }

//go:noinline
func text(n int) { sinkString = string(sinkBytes[:n]) }

//go:noinline
func work() {
	for i := 0; i < 1000; i++ {
		sinkTree = leaf()
		sinkTree = inlined()
		sinkTree.left = nil
		sinkBytes = make([]byte, 64+i%128)
		text(40)
		grow()
	}
}

func main() {
	debug.SetGCPercent(-1) // the collector would allocate on the stack on which it starts
	runtime.MemProfileRate = 1
	work()
	file, err := os.Create(os.Args[1])
	if err != nil {
		panic(err)
	}
	if err := pprof.Lookup("allocs").WriteTo(file, 0); err != nil {
		panic(err)
	}
	file.Close()
}
