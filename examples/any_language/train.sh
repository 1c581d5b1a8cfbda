# Any program that prints {"val": {...}, "test": {...}}. This one descends x^2 from a start that the seed decides.
awk -v seed="$1" -v rate="$2" -v steps="$3" 'BEGIN {
  srand(seed); x = 1 + rand()
  for (i = 0; i < steps; i++) x -= rate * 2 * x
  printf "{\"val\": {\"error\": %.6g}, \"test\": {\"error\": %.6g}}\n", x * x, x * x + 0.01 * rand()
}'
