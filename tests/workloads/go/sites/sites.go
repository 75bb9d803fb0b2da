// SPDX-License-Identifier: BSD-2-Clause

package main

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
)

type point struct{ x, y int }

type record struct {
	name string
	next *record
	data [40]byte
}

type scaler struct{ factor int }

func (s *scaler) scale(x int) int { return s.factor * x }

// Results are stored here, so that the compiler cannot keep them on the stack; one set per goroutine.
type sinks struct {
	point    *point
	record   *record
	integer  *int
	tiny     *int8
	empty    *struct{}
	ints     []int
	octets   []byte
	text     string
	table    map[int]string
	function func() int
	method   func(int) int
	any      interface{}
	channel  chan int
	done     chan struct{}
	number   int
	words    []string
	int32    *int32
	pair     *pair[string]
	value    reflect.Value
}

type pair[T any] struct{ first, second T }

//go:noinline
func literal(s *sinks) {
	s.point = &point{1, 2} // want 1
}

//go:noinline
func pointerful(s *sinks) {
	s.record = &record{name: "r", next: s.record} // want 1
	s.record.next = nil
}

//go:noinline
func movedToHeap(s *sinks, start int) {
	value := start // want 1
	s.integer = &value
	value++
}

//go:noinline
func makeVariable(s *sinks, n int) {
	s.ints = make([]int, n) // want 1
}

//go:noinline
func makeConstant(s *sinks) {
	s.octets = make([]byte, 100) // want 1
}

//go:noinline
func large(s *sinks) {
	s.octets = make([]byte, 100000) // want 1/16
}

//go:noinline
func appendGrowth(s *sinks) {
	s.ints = nil
	for i := 0; i < 100; i++ {
		s.ints = append(s.ints, i) // want 8
	}
}

//go:noinline
func mapGrowth(s *sinks) {
	s.table = make(map[int]string)
	for i := 0; i < 50; i++ {
		s.table[i] = "value"
	}
}

//go:noinline
func concatenate(s *sinks, a, b string) {
	s.text = a + b // want 1
}

//go:noinline
func convert(s *sinks, text string) {
	s.octets = []byte(text)   // want 1
	s.text = string(s.octets) // want 1
}

//go:noinline
func build(s *sinks) {
	var b strings.Builder
	for i := 0; i < 20; i++ {
		b.WriteString("twelve bytes")
	}
	s.text = b.String()
	var buffer bytes.Buffer
	buffer.WriteString(s.text)
	s.octets = buffer.Bytes()
}

//go:noinline
func format(s *sinks, n int) {
	s.text = fmt.Sprintf("%d", n) // want 1
}

//go:noinline
func box(s *sinks, p record) {
	s.any = p // want 1
}

//go:noinline
func closure(s *sinks, n int) {
	s.function = func() int { return n + s.number } // want 1
}

//go:noinline
func methodValue(s *sinks, scale *scaler) {
	s.method = scale.scale // want 1
}

//go:noinline
func channel(s *sinks) {
	s.channel = make(chan int, 4) // want 1
}

//go:noinline
func goroutine(s *sinks) {
	go func() {
		s.number++
		s.done <- struct{}{}
	}()
	<-s.done
}

//go:noinline
func newOf[T any]() *T {
	return new(T) // want 3
}

//go:noinline
func generic(s *sinks) {
	s.int32 = newOf[int32]()
	s.pair = newOf[pair[string]]()
	s.point = newOf[point]()
}

//go:noinline
func tiny(s *sinks) {
	for i := 0; i < 20; i++ {
		s.tiny = new(int8) // want 20
	}
}

//go:noinline
func zeroSize(s *sinks) {
	s.empty = new(struct{})                    // want 0
	s.octets = make([]byte, s.number-s.number) // want 0
}

// inlined is inlined into both callers, so its allocation also belongs to their lines.
func inlined(n int) *point {
	return &point{n, n} // want 2
}

//go:noinline
func inlining(s *sinks) {
	s.point = inlined(1)
	s.any = inlined(2)
}

//go:noinline
func reflected(s *sinks, t reflect.Type) {
	s.value = reflect.New(t)
}

// deepen needs more stack than it has, so that functions on its path restart after their stack checks.
//
//go:noinline
func deepen(s *sinks, depth int) int {
	var frame [64]int
	frame[depth] = depth
	if depth == 0 {
		s.point = &point{depth, 1} // want 1/16
		return frame[0]
	}
	return deepen(s, depth-1) + frame[depth]
}

//go:noinline
func stackGrowth(s *sinks) {
	go func() {
		deepen(s, 40)
		s.done <- struct{}{}
	}()
	<-s.done
}

// verify panics if an allocated object does not have the expected contents.
func verify(s *sinks, i int) {
	if s.table[49] != "value" || s.function() != i+s.number || s.method(2) != 2*i || cap(s.channel) != 4 {
		panic("sites: memory is not what was written to it")
	}
}

func runSites(rounds int) {
	s := &sinks{done: make(chan struct{})}
	pointType := reflect.TypeOf(point{})
	for i := 0; i < rounds; i++ {
		literal(s)
		pointerful(s)
		movedToHeap(s, i)
		makeVariable(s, 5+i%60)
		makeConstant(s)
		appendGrowth(s)
		mapGrowth(s)
		concatenate(s, "left half of a text, ", "right half of it")
		convert(s, "a text longer than any temporary buffer")
		build(s)
		format(s, 1000+i)
		box(s, record{name: "boxed"})
		closure(s, i)
		methodValue(s, &scaler{i}) // want 1
		channel(s)
		goroutine(s)
		generic(s)
		tiny(s)
		zeroSize(s)
		inlining(s)
		reflected(s, pointType)
		callback(s)
		if i%16 == 0 {
			large(s)
			stackGrowth(s)
		}
		verify(s, i)
	}
}
