# Measurements; see README.md here. `make bench` prints them all.
$(B)/tests/bench/malloc_cases: tests/bench/malloc_cases.c
	@mkdir -p $(@D)
	$(call say,BENCH,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -Ialloc-runtime/include -fno-builtin-malloc -fno-builtin-free -o $@ $< -lpthread

bench-malloc: $(B)/tests/bench/malloc_cases $(B)/libgoalloc-preload.so
	$(Q)tests/bench/install-peers
	$(Q)tests/bench/malloc_table.py $(B)

$(B)/tests/bench/probe_target: tests/bench/probe_target.c $(B)/libgoalloc.a
	@mkdir -p $(@D)
	$(call say,BENCH,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -Ialloc-runtime/include -o $@ $< $(B)/libgoalloc.a -lpthread

$(B)/tests/bench/bare_probe: tests/bench/bare_probe.c
	@mkdir -p $(@D)
	$(call say,BENCH,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $< -lbpf

bench-probes: all $(B)/tests/bench/probe_target $(B)/tests/bench/bare_probe
	$(Q)BUILD=$(B) tests/bench/probe_cost.py

.PHONY: bench-malloc bench-probes
bench: bench-malloc bench-probes

.PHONY: bench-audit
bench-audit: $(B)/escapement
	$(Q)tests/bench/audit_scale.py $(B)
bench: bench-audit
