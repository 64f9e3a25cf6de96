#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A job script for any configuration:
#
#     sbatch --disagg-config=job.yaml "$(disagg run --script)"
#
# exec: Slurm's TERM reaches disagg-run only where no shell stands between.
exec disagg run
