# unit/test_*.c      cmocka, one program each, linked with libescapement or (test_goalloc_*) with libgoalloc
# workloads/NAME/*.c one program each, linked with libgoalloc
# integration/test_*.py  attach for real
UNIT_SOURCES     := $(wildcard tests/unit/test_*.c)
UNIT_TESTS       := $(UNIT_SOURCES:%.c=$(B)/%)
WORKLOADS        := $(patsubst tests/workloads/%/,$(B)/tests/workloads/%,$(dir $(wildcard tests/workloads/*/main.c)))
INTEGRATION_TESTS := $(wildcard tests/integration/test_*.py)

$(B)/tests/unit/test_goalloc%: tests/unit/test_goalloc%.c $(B)/libgoalloc.a
	@mkdir -p $(@D)
	$(call say,TEST,$<)
	$(Q)$(CC) $(GOALLOC_CFLAGS) $(LDFLAGS) -o $@ $< $(B)/libgoalloc.a -lcmocka -lpthread

$(B)/tests/unit/test_%: tests/unit/test_%.c $(B)/libescapement.a
	@mkdir -p $(@D)
	$(call say,TEST,$<)
	$(Q)$(CC) $(USER_CFLAGS) $(LDFLAGS) -o $@ $< $(B)/libescapement.a $(USER_LIBS) -lcmocka

# Linked with the shared library when LINK=shared is wanted, see workloads/*/rules.mk; static by default.
.SECONDEXPANSION:
$(B)/tests/workloads/%: $$(wildcard tests/workloads/$$*/*.c tests/workloads/$$*/*.h) $(B)/libgoalloc.a
	@mkdir -p $(@D)
	$(call say,WORKLOAD,$*)
	$(Q)$(CC) $(ALL_CFLAGS) -Ialloc-runtime/include $(LDFLAGS) -o $@ $(filter %.c,$^) $(B)/libgoalloc.a -lpthread

$(B)/deps-ready:
	@mkdir -p $(B)
	$(Q)packaging/install-deps
	@touch $@

.PHONY: test-programs unit integration
test-programs: all $(UNIT_TESTS) $(WORKLOADS)

unit: test-programs
	$(Q)tests/run $(UNIT_TESTS)

integration: test-programs
	$(Q)BUILD=$(B) tests/run $(INTEGRATION_TESTS)

test: deps
	$(Q)$(MAKE) --no-print-directory test-programs
	$(Q)BUILD=$(B) tests/run $(UNIT_TESTS) $(INTEGRATION_TESTS)

demo: deps
	$(Q)$(MAKE) --no-print-directory test-programs
	$(Q)BUILD=$(B) tests/demo

-include $(UNIT_TESTS:%=%.d) $(WORKLOADS:%=%.d)
