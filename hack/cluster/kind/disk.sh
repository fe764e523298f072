#!/bin/bash
echo "small disks are not supported by this cluster provider" >&2
exit 3
