// SPDX-License-Identifier: BSD-2-Clause

// A recursion whose stack grows until the heap must grow for it.
package main

//go:noinline
func down(depth int) int { // stack check
	var frame [8192]int
	frame[depth] = depth
	if depth == 0 {
		return 1
	}
	return down(depth-1) + frame[depth] // recursion
}

func main() {
	println(down(100)) // start
}
