/* SPDX-License-Identifier: BSD-2-Clause */
/* What those of gperftools' tests that use the standard functions only need of its configuration. */
#define HAVE_FCNTL_H	    1
#define HAVE_STDINT_H	    1
#define HAVE_INTTYPES_H	    1
#define HAVE_UNISTD_H	    1
#define HAVE_SYS_SYSCALL_H  1
#define HAVE_MALLOC_H	    1
#define HAVE_MEMALIGN	    1
#define HAVE_POSIX_MEMALIGN 1
#define HAVE_PTHREAD	    1
#define HAVE___ATTRIBUTE__  1
#define PERFTOOLS_DLL_DECL
#define PRIuS		    "zu"
#define PRIdS		    "zd"
#define PRIxS		    "zx"
#define NO_TCMALLOC_SAMPLES 1
