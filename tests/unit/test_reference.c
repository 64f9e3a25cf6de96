/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/reference.h"

#include "lib/conf/yamltree.h"
#include "lib/base/num.h"
#include "lib/probe/reference_data.h"
#include "tests/unit/tap.h"
#include <stdlib.h>
#include <unistd.h>

static struct disagg_arena arena;

static bool find(const struct disagg_reference *reference, struct disagg_reference_query query,
	struct disagg_reference_value *ret)
{
	memset(ret, 0, sizeof(*ret));
	return disagg_reference_find(reference, &query, ret);
}

static void keys(const struct disagg_reference *reference)
{
	static const struct {
		const char *name, *key;
	} cases[] = {
		{"NVIDIA A100-SXM4-40GB", "A100-SXM"},
		{"NVIDIA A100-SXM4-80GB", "A100-SXM-80GB"},
		{"NVIDIA A100-PCIE-40GB", NULL},
		{"NVIDIA H100 80GB HBM3", "H100-SXM"},
		{"NVIDIA H100 PCIe", NULL},
		{"NVIDIA H100 NVL", NULL},
		{"NVIDIA H200", "H200-SXM"},
		{"H200", "H200-SXM"},
		{"NVIDIA GH200 480GB", "GH200"},
		{"NVIDIA B200", "B200"},
		{"NVIDIA B300 SXM6 AC", "B300"},
		{"NVIDIA GB200", "GB200"},
		{"NVIDIA GB300", "GB200"},
		{"NVIDIA L4", NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		is_str(disagg_reference_key(reference, cases[i].name), cases[i].key, cases[i].name);
	is_str(disagg_reference_key(reference, NULL), NULL, "no GPU has no key");
}

static void lookups(const struct disagg_reference *reference)
{
	const char *h200 = "NVIDIA H200";
	struct disagg_reference_value value;

	ok(find(reference, (struct disagg_reference_query){"gemm.bf16", "8192", h200, 1, "TFLOPS"},
		   &value),
		"gemm of the H200");
	ok(value.has_ref && value.ref == 785 && value.has_floor && value.floor == 700,
		"its ref and floor");
	is_str(value.source,
		"H200-SXM: measured 769 to 798 with random data, zeros give 894 (confidence high)",
		"its source");
	ok(!find(reference, (struct disagg_reference_query){"gemm.bf16", "4096", h200, 1, NULL},
		   &value),
		"another size is not known");
	ok(!find(reference, (struct disagg_reference_query){"gemm.bf16", NULL, h200, 1, NULL},
		   &value),
		"no parameter is not known");
	ok(!find(reference, (struct disagg_reference_query){"gemm.bf16", "8192", h200, 1, "GB/s"},
		   &value),
		"another unit is not compared");
	ok(find(reference,
		   (struct disagg_reference_query){"nccl.intra", "all_reduce 1G", h200, 8, "GB/s"},
		   &value) &&
			value.ref == 463.6 && value.floor == 417,
		"a size of a collective");
	ok(!find(reference,
		   (struct disagg_reference_query){"nccl.intra", "all_reduce 1G", h200, 4, "GB/s"},
		   &value),
		"nothing of another number of GPUs");
	ok(find(reference,
		   (struct disagg_reference_query){"nccl.intra", "all_reduce 4G", h200, 4, "GB/s"},
		   &value) &&
			value.ref == 363 && !value.has_floor,
		"4 GPUs, where that is known; a number alone is ref");
	ok(!find(reference,
		   (struct disagg_reference_query){"nccl.intra", "all_reduce 1G", h200, 0, "GB/s"},
		   &value),
		"nothing where the number of GPUs is not known");
	ok(!find(reference,
		   (struct disagg_reference_query){
			   "nccl.intra", "all_reduce 768M", h200, 8, "GB/s"},
		   &value),
		"a size between two known ones is not known");
	ok(find(reference,
		   (struct disagg_reference_query){"hbm.copy", "1G", "NVIDIA B300", 1, NULL},
		   &value) &&
			!value.has_ref && value.floor == 4623,
		"a floor without a ref");
	is_str(disagg_reference_version(reference), "1", "the table has a version");
}

static double real(const struct disagg_node *node)
{
	double value = 0;

	if (node)
		disagg_num_real(node->text, &value);
	return value;
}

/* The walk over each {ref, floor}: a floor above 0.95 ref would fail what is good. */
static unsigned check_floors(const struct disagg_node *node, bool *good)
{
	unsigned count = 0;

	if (!node || node->kind != DISAGG_MAP)
		return 0;
	if (disagg_node_get(node, "floor")) {
		double ref = real(disagg_node_get(node, "ref"));
		double floor = real(disagg_node_get(node, "floor"));

		if (ref > 0 && (floor > 0.95 * ref || floor < 0.5 * ref)) {
			printf("# line %u: floor %g of ref %g\n", (unsigned)node->at.line, floor,
				ref);
			*good = false;
		}
		return 1;
	}
	for (uint32_t i = 0; i < node->count; i++)
		count += check_floors(node->pair[i].value, good);
	return count;
}

static void table(void)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_node *root = NULL;
	bool good = true;

	disagg_yaml_parse(&arena, disagg_reference_yaml,
		(size_t)(disagg_reference_yaml_end - disagg_reference_yaml), "built in", &root,
		&err);
	ok(check_floors(root, &good) > 50, "the table has floors");
	ok(good, "each is between half of ref and 0.95 ref");
}

static const char *load(const char *text, struct disagg_reference **ret)
{
	static struct disagg_err err;
	char path[] = "/tmp/disagg-reference.XXXXXX";
	int fd = mkstemp(path);

	err = (struct disagg_err)DISAGG_ERR_INIT;
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		return "cannot write";
	close(fd);
	if (disagg_reference_load(&arena, disagg_arena_strdup(&arena, path), ret, &err) == 0)
		err.text[0] = '\0';
	unlink(path);
	return err.text;
}

static void overrides(void)
{
	struct disagg_reference *reference = NULL;
	struct disagg_reference_value value;

	is_str(load("gpus:\n"
		    "  H200-SXM: {metrics: {gemm.bf16: {values: {\"8192\": {ref: 760}}}}}\n"
		    "  Odd-H200: {match: 'H200 ODD', metrics: {gemm.bf16: {unit: TFLOPS,\n"
		    "    values: {\"8192\": 500}}}}\n"
		    "  B200: null\n",
		       &reference),
		"", "a site's file is read");
	ok(find(reference,
		   (struct disagg_reference_query){"gemm.bf16", "8192", "NVIDIA H200", 1, NULL},
		   &value) &&
			value.ref == 760 && value.floor == 700,
		"it replaces one number and leaves the rest");
	has_str(value.source, "set in /tmp/disagg-reference.", "which the source tells");
	is_str(disagg_reference_key(reference, "NVIDIA H200 ODD"), "Odd-H200",
		"a new GPU is asked first");
	ok(find(reference,
		   (struct disagg_reference_query){"gemm.bf16", "8192", "NVIDIA H200 ODD", 1, NULL},
		   &value) &&
			value.ref == 500,
		"and has its value");
	is_str(value.confidence, "low", "which is not confident unless it says so");
	has_str(value.source, "set in /tmp/disagg-reference.", "the source names the file");
	is_str(disagg_reference_key(reference, "NVIDIA B200"), NULL, "null deletes");
	has_str(load("gpus: {X: {match: '('}}", &reference), "an extended regular expression",
		"a bad expression is told");
	has_str(load("gpus: {X: {metrics: {}}}", &reference), "a 'match' for the GPU's name",
		"a new GPU needs a match");
	has_str(load("gpus: {H200-SXM: {metrics: {gemm.bf16: {values: {\"8192\": fast}}}}}",
			&reference),
		"a number above 0", "a word is no number");
	has_str(load("gpus: {H200-SXM: {metrics: {gemm.bf16: {values: {\"8192\": -1}}}}}",
			&reference),
		"a number above 0", "nor is it negative");
	has_str(load("gpus: {H200-SXM: {metrics: {gemm.bf16: {valeus: {}}}}}", &reference),
		"a map with 'unit'", "an unknown key is told");
	has_str(load("gpu: {}", &reference), "a map with 'schema', 'version', 'gpus'",
		"also at the top");
	has_str(load("gpus: {H200-SXM: {metrics: {'nccl.intra all_reduce': {gpus: {eight: {}}}}}}",
			&reference),
		"a number of GPUs as the key", "and a count that is none");
}

int main(void)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_reference *reference = NULL;

	is_int(disagg_reference_load(&arena, NULL, &reference, &err), 0, "the table is read");
	if (!reference) {
		printf("# %s:%u: %s\n", err.file, err.line, err.text);
		return tap_done();
	}
	keys(reference);
	lookups(reference);
	table();
	overrides();
	disagg_arena_release(&arena);
	return tap_done();
}
