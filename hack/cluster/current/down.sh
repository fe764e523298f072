#!/bin/bash
echo "CLUSTER=current: the cluster is not ours to remove; nothing done" >&2
