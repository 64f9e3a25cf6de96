# SPDX-License-Identifier: Apache-2.0
# Records of a made-up fleet, for tests and benchmarks of what reads them; no value
# in it was measured.  awk -v nodes=N -v gpus=8 -v seed=1 -v faults=LIST -v pairs=1 -v sweep=1 -f records.awk
# faults: of slow,sdc,env,cap,lost,pcie,rail,xid,old with commas
function noise(sd,   sum, i) { # about normal
	sum = 0
	for (i = 0; i < 4; i++)
		sum += rand()
	return (sum - 2) * 1.7320508 * sd
}
function has(fault) { return index("," faults ",", "," fault ",") > 0 }
function head(probe, node) {
	return sprintf("{\"schema\":\"disagg.probe/1\",\"probe\":\"%s\",\"node\":\"%s\"", probe, node)
}
function gpu(i) {
	return sprintf(",\"gpu\":%d,\"gpu_uuid\":\"GPU-%08d-%04d\",\"gpu_name\":\"NVIDIA H200\"", i, number, i)
}
function tail(status, reason, hint) {
	return sprintf(",\"status\":\"%s\"%s%s,\"t_start\":%.3f,\"dur_ms\":%.3f}", status,
		reason == "" ? "" : ",\"reason\":\"" reason "\"", hint == "" ? "" : ",\"hint\":\"" hint "\"",
		clock, 900 + 100 * rand())
}
function value(param, v, unit, better) {
	return sprintf("%s,\"cohort\":\"%s\",\"value\":%.6g,\"unit\":\"%s\",\"better\":\"%s\"",
		param == "" ? "" : ",\"param\":\"" param "\"", cohort, v, unit, better)
}
function raw(v) {
	return sprintf(",\"raw\":[%.6g,%.6g,%.6g,%.6g,%.6g]", v * .998, v * .999, v, v * 1.001, v * 1.002)
}
BEGIN {
	srand(seed ? seed : 1)
	if (!gpus) gpus = 8
	clock = 1764194400
	base = has("cap") ? 690 : 781
	for (number = 1; number <= nodes; number++) {
		node = sprintf("gpu%04d", number)
		cohort = "NVIDIA H200, driver 580.159, 700 W"
		if (has("lost") && number == nodes) {
			print head("hw.inventory", node) tail("unknown", "no answer for 30 s: the node is lost")
			continue
		}
		fixed = has("env") && number % 16 == 5
		print head("env.fingerprint", node) ",\"param\":\"cuda\",\"cohort\":\"env\",\"digest\":\"" \
			(fixed ? "7d1f03c2a9e85b46" : "b1946ac92492d234") "\"" \
			(fixed ? tail("warn", "nccl is 2.26.2, the majority has 2.27.7", "libnccl.so.2") : tail("pass"))
		print head("hw.inventory", node) tail("pass")
		print head("clock.skew", node) value("", 1 + 3 * rand(), "ms", "less") tail("pass")
		print head("kmsg.xid", node) (has("xid") && number == 7 ? \
			tail("fail", "Xid 79 at 21:58:14: GPU has fallen off the bus", "reboot the node; if it comes again, replace the GPU") : tail("pass"))
		for (i = 0; i < 10; i++)
			print head("host." substr("abcdefghij", i + 1, 1), node) tail("pass")
		for (i = 0; i < gpus; i++) {
			v = base + noise(.012 * base)
			hint = ""
			if (has("slow") && number == 3 && i == 5) {
				v = 632
				hint = "SW power cap was active for 100 % of the time"
			}
			print head("gemm.bf16", node) gpu(i) value("8192", v, "TFLOPS", "more") raw(v) tail("pass", "", hint)
			print head("gpu.health", node) gpu(i) tail("pass")
			sum = has("sdc") && number == 6 && i == 2 ? "00ba5eba11c0ffee" : "5ca1ab1e0ddba115"
			print head("gemm.sdc", node) gpu(i) ",\"param\":\"8192\",\"cohort\":\"" cohort "\",\"digest\":\"" sum "\"" tail("pass")
			v = 4290 + noise(8)
			print head("hbm.copy", node) gpu(i) value("1G", v, "GB/s", "more") raw(v) tail("pass")
			v = has("pcie") && number == 4 && i == 1 ? 27.4 : 55.3 + noise(.04)
			print head("pcie.h2d", node) gpu(i) value("512M", v, "GB/s", "more") raw(v) \
				tail("pass", "", v < 40 ? "PCIe link is Gen4 x16, Gen5 x16 expected" : "")
			v = 55.0 + noise(.04)
			print head("pcie.d2h", node) gpu(i) value("512M", v, "GB/s", "more") raw(v) tail("pass")
			print head("latency.launch", node) gpu(i) value("p50", 4.1 + noise(.08), "us", "less") tail("pass")
			if (nodes > 1 && pairs) {
				peer = sprintf("gpu%04d", number % 2 ? number % nodes + 1 : number - 1)
				v = has("rail") && number == 2 && i == 3 ? 31.2 : 46.8 + noise(.3)
				print head("nccl.pairs", node) ",\"peer\":\"" peer "\",\"rail\":" i \
					value("256M", v, "GB/s", "more") tail(v < 40 ? "fail" : "pass", \
					v < 40 ? "rail 3 is slow with gpu0001 and, confirmed, with gpu0008" : "")
			}
		}
		for (i = 1; i <= split(sweep ? "8M 16M 32M 64M 128M 256M 512M 1G" : "128M 1G", size, " "); i++) {
			split(sweep ? "155 220 276 346 402 436 450 463" : "402 463", speed, " ")
			v = speed[i] * (1 + noise(.005))
			print head("nccl.intra", node) value("all_reduce " size[i], v, "GB/s", "more") raw(v) tail("pass")
		}
	}
}
