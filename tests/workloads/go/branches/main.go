// SPDX-License-Identifier: BSD-2-Clause

// Branches allocates TIMES objects at each of 2^DEPTH different stacks:
//
//	branches DEPTH TIMES
package main

import (
	"os"
	"strconv"
)

type leaf struct{ left, right *leaf }

var last *leaf

//go:noinline
func left(depth int) {
	if depth == 0 {
		last = &leaf{} // the left ones
		return
	}
	left(depth - 1)
	right(depth - 1)
}

//go:noinline
func right(depth int) {
	if depth == 0 {
		last = &leaf{} // the right ones
		return
	}
	left(depth - 1)
	right(depth - 1)
}

func main() {
	depth, _ := strconv.Atoi(os.Args[1])
	times, _ := strconv.Atoi(os.Args[2])
	for i := 0; i < times; i++ {
		left(depth)
	}
}
