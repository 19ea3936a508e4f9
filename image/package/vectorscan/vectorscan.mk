################################################################################
#
# vectorscan
#
################################################################################

VECTORSCAN_VERSION = 5.4.12
VECTORSCAN_SITE = $(call github,VectorCamp,vectorscan,vectorscan/$(VECTORSCAN_VERSION))
VECTORSCAN_LICENSE = BSD-3-Clause
VECTORSCAN_LICENSE_FILES = LICENSE
VECTORSCAN_INSTALL_STAGING = YES
VECTORSCAN_DEPENDENCIES = boost host-pkgconf host-python3 host-ragel
# One library for all processors since SSE4.2, as the box may be any of them; no tools.
VECTORSCAN_CONF_OPTS = \
	-DBUILD_SHARED_LIBS=ON \
	-DBUILD_STATIC_LIBS=OFF \
	-DFAT_RUNTIME=OFF \
	-DBUILD_UNIT=OFF \
	-DBUILD_DOC=OFF \
	-DBUILD_TOOLS=OFF \
	-DBUILD_EXAMPLES=OFF \
	-DBUILD_BENCHMARKS=OFF

$(eval $(cmake-package))
