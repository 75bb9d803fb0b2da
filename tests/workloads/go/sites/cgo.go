// SPDX-License-Identifier: BSD-2-Clause

package main

/*
extern void goCallback(int n);
static void call_back(int n) { goCallback(n); }
*/
import "C"

var callbackSink *record

//export goCallback
func goCallback(n C.int) {
	callbackSink = &record{name: "called back"} // want 1
}

// callback allocates on a stack that leads through C.
func callback(s *sinks) {
	C.call_back(1)
}
