/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_TESTS_SKIP_H
#define ESCAPEMENT_TESTS_SKIP_H

/* cmocka's skip() cannot say why. Needs cmocka.h. */
#define skip_because(why) (print_message("# skipped: %s\n", (why)), skip())

#endif
