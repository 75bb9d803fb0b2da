# The command line tool with failing allocations, for integration/test_out_of_memory.py.
WRAPPED_ALLOCATIONS := malloc calloc realloc reallocarray open_memstream vasprintf __vasprintf_chk
$(B)/tests/memory/escapement: tests/memory/failing_allocation.c $(CLI_OBJECTS) $(B)/libescapement.a
	@mkdir -p $(@D)
	$(call say,TEST,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -U_FORTIFY_SOURCE $(LDFLAGS) $(WRAPPED_ALLOCATIONS:%=-Wl,--wrap=%) -o $@ $(filter %.c %.o %.a,$^) $(USER_LIBS)

test-programs: $(B)/tests/memory/escapement
-include $(B)/tests/memory/escapement.d
$(B)/tests/memory/escapement.d: ;
