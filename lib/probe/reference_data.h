/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_REFERENCE_DATA_H
#define DISAGG_PROBE_REFERENCE_DATA_H

/* lib/probe/reference.yaml as it is, with a NUL behind its end. */
extern const char disagg_reference_yaml[], disagg_reference_yaml_end[];

#endif
