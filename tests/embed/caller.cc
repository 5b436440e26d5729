// A C++ caller: the parameters from memory; the means of h given v against their formula.
#include "given.h"

#include <cmath>
#include <cstdio>
#include <vector>

int main()
{
	const std::size_t rows = 3, D = 16, H = 16;
	std::vector<float> W(D * H), b(D, 0.5f), c(H, -0.5f), v(rows * D), mean(rows * H);
	for (std::size_t i = 0; i < W.size(); i++)
		W[i] = 0.1f * float(i % 7) - 0.3f;
	for (std::size_t i = 0; i < v.size(); i++)
		v[i] = float(i % 3 == 0);
	bars_params params = {W.data(), b.data(), c.data()};
	std::vector<unsigned char> model(bars_size()), work(bars_mean_h_work(rows));
	int status = bars_load(model.data(), model.size(), &params);
	if (status == DGM_EMBED_OK)
		status = bars_mean_h(model.data(), rows, v.data(), mean.data(), work.data(), work.size());
	double worst = 0;
	for (std::size_t r = 0; r < rows; r++)
		for (std::size_t j = 0; j < H; j++) {
			double x = c[j];
			for (std::size_t i = 0; i < D; i++)
				x += double(v[r * D + i]) * double(W[i * H + j]);
			worst = std::fmax(worst, std::fabs(double(mean[r * H + j]) - 1 / (1 + std::exp(-x))));
		}
	std::printf("status %d, off by %.1e\n", status, worst);
	return status != DGM_EMBED_OK || !(worst < 1e-6);
}
