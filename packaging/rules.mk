# The files of a release. Their content does not depend on the folder or the machine in which they are built.
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || date +%s)
DIST := escapement-$(VERSION)
DEB := $(B)/deb/$(DIST)

.PHONY: dist deb
# The sources of the last commit.
dist:
	$(Q)mkdir -p $(B)/dist
	$(Q)git archive --format=tar --prefix=$(DIST)/ HEAD | xz -9 -T1 > $(B)/dist/$(DIST).tar.xz
	@echo $(B)/dist/$(DIST).tar.xz

# Binary packages of the last commit. dpkg-buildpackage expects debian/ in the folder of the sources.
deb: dist
	$(Q)rm -rf $(B)/deb && mkdir -p $(DEB)
	$(Q)tar -xf $(B)/dist/$(DIST).tar.xz -C $(B)/deb
	$(Q)cp -r packaging/debian $(DEB)/debian
	$(Q)packaging/debian-changelog $(VERSION) > $(DEB)/debian/changelog
	$(Q)cd $(DEB) && dpkg-buildpackage -us -uc -b
	$(Q)lintian --fail-on error,warning $(B)/deb/*.changes
	@ls $(B)/deb/*.deb
