#include "driver/driver.h"

int main(int argc, char **argv)
{
	return dgm_main(argc, argv);
}
