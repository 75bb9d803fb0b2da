# Measurements; see README.md here. `make bench` prints them all.
$(B)/tests/bench/malloc_cases: tests/bench/malloc_cases.c
	@mkdir -p $(@D)
	$(call say,BENCH,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -Ialloc-runtime/include -fno-builtin-malloc -fno-builtin-free -o $@ $< -lpthread

bench-malloc: $(B)/tests/bench/malloc_cases $(B)/libgoalloc-preload.so
	$(Q)tests/bench/install-peers
	$(Q)tests/bench/malloc_table.py $(B)

.PHONY: bench-malloc
bench: bench-malloc
